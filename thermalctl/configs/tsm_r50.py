"""TSM R50: a 2D network that shifts some of its features to the next frame; the guide's recipe otherwise.

A ResNet of images in half the time of slowfast-r50: 2D convolutions run on devices that have no 3D ones. TSM: https://arxiv.org/abs/1811.08383
"""

_base_ = "slowfast_r50.py"

# As many frames as the weights were trained on, over the 10 s that 64 frames of a sensor of 6 per second last.
clip = dict(num_frames=8, time_sampling="uniform", window_s=10.0)

model = dict(
    type="Recognizer2D",
    backbone=dict(
        _delete_=True,
        type="ResNetTSM",
        depth=50,
        pretrained=None,
        pretrained2d=False,  # else MMAction2 asks for ImageNet weights
        norm_eval=False,
        num_segments=None,  # the frames of a clip; filled in from it, as in the head
        shift_div=8,
    ),
    cls_head=dict(type="TSMHead", in_channels=2048, num_segments=None, init_std=0.001, is_shift=True),
    data_preprocessor=dict(layout="images"),
)

load_from = "tsm_r50_1x1x8_kinetics400"
