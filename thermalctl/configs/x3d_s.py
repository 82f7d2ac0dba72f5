"""X3D-S: a small 3D network with Kinetics-400 weights; the guide's recipe of slowfast_r50.py otherwise.

A tenth of the parameters of slowfast-r50 and a fifth of its memory: for a small GPU, or to run on a CPU once it is
trained. It does a 36th of the multiplications in a sixth of the time: its depthwise convolutions mostly wait for
memory. X3D: https://arxiv.org/abs/2004.04730
"""

_base_ = "slowfast_r50.py"

clip = dict(
    # As many frames as the weights were trained on, over the 10 s that 64 frames of a sensor of 6 per second last.
    num_frames=13,
    time_sampling="uniform",
    window_s=10.0,
    input_size=(160, 240),  # the shorter side as in Kinetics' training
    mean=(114.75,),  # one value for all channels, as the weights were trained with: clip.channels=fold is exact
    std=(57.38,),
)

model = dict(
    backbone=dict(_delete_=True, type="X3D", gamma_w=1, gamma_b=2.25, gamma_d=2.2),
    cls_head=dict(type="X3DHead", in_channels=432, fc1_bias=False),
)

load_from = "x3d_s_13x6_kinetics400"
