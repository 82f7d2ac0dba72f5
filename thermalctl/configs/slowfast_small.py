"""A SlowFast for small frames: no pixel is skipped before the first residual stage. From scratch, for two CPU cores.

The networks of Kinetics halve their picture twice before they look at it: of 40x60 pixels 10x15 are left, and of a
person of 8x8 a place or two. Here the stem has the sensor's full resolution, nothing is pooled, and each stage halves
what it gets: 20x30, 10x15, 5x8, 3x4. Three times the time of slowfast-tiny, whose recipe it has; with
`--input-size 80x120` four times that again, for people of a few pixels.
"""

_base_ = "slowfast_tiny.py"

model = dict(
    backbone=dict(
        type="thermalctl.models.small_frames.SmallFrameSlowFast",
        slow_pathway=dict(conv1_stride_s=1, with_pool1=False, spatial_strides=(2, 2, 2, 2)),
        fast_pathway=dict(conv1_stride_s=1, with_pool1=False, spatial_strides=(2, 2, 2, 2)),
    ),
)
