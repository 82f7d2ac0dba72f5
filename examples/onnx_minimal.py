"""One clip of a recording through a model of whole frames: python onnx_minimal.py MODEL.onnx RECORDING.h5 KEYFRAME."""

import json
import sys

import h5py
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
about = session.get_modelmeta().custom_metadata_map
num_frames = json.loads(about["clip_spec"])["num_frames"]
with h5py.File(sys.argv[2]) as recording:
    start = int(sys.argv[3]) - num_frames // 2
    rows = np.clip(np.arange(start, start + num_frames), 0, len(recording["frames"]) - 1)
    clip_c = recording["frames"][:][rows]  # (T, H, W) float32, deg C as recorded, incomplete frames and all
[scores] = session.run(["output"], {"input": clip_c[None]})[0]
print(json.loads(about["classes"])[scores.argmax()], scores.max())
