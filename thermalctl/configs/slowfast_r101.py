"""SlowFast R101 8x8: as slowfast_r50_8x8.py, but twice as deep.

The best of MMAction2's SlowFasts on Kinetics-400 (78.7 % top-1). With a few hundred clips it overfits sooner than it
pays; try it once slowfast-r50-8x8 no longer gets better with more data.
"""

_base_ = "slowfast_r50_8x8.py"

model = dict(backbone=dict(slow_pathway=dict(depth=101), fast_pathway=dict(depth=101)))

load_from = "slowfast_r101_8x8_kinetics400"
