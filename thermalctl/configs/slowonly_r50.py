"""SlowOnly R50 8x8: a SlowFast's slow pathway alone, on 8 frames; the guide's recipe of slowfast_r50.py otherwise.

Six tenths of the time of slowfast-r50 and half its memory. Choose it where actions are told by how somebody lies or
sits rather than by how they move. SlowOnly: section 4.1 of https://arxiv.org/abs/1812.03982
"""

_base_ = "slowfast_r50.py"

# As many frames as the weights were trained on, over the 10 s that 64 frames of a sensor of 6 per second last: taken
# one after the other, 8 frames would be one second.
clip = dict(num_frames=8, time_sampling="uniform", window_s=10.0)

model = dict(
    backbone=dict(
        _delete_=True,
        type="ResNet3dSlowOnly",
        depth=50,
        pretrained=None,
        lateral=False,
        conv1_kernel=(1, 7, 7),
        conv1_stride_t=1,
        pool1_stride_t=1,
        inflate=(0, 0, 1, 1),
        norm_eval=False,
    ),
    cls_head=dict(type="I3DHead", in_channels=2048),
)

load_from = "slowonly_r50_8x8_kinetics400"
