"""UniFormer-S: convolutions in the first two stages, attention over all places and times in the last two.

The transformer here, because nothing in it is made for one size of input: it takes frames that are not square, and
more or fewer of them, with the weights of Kinetics-400 (80.9 % top-1 in MMAction2's record, the best of the models
here). UniFormer: https://arxiv.org/abs/2201.04676
"""

_base_ = "slowfast_r50.py"

clip = dict(
    # As many frames as the weights were trained on, over the 10 s that 64 frames of a sensor of 6 per second last.
    num_frames=16,
    time_sampling="uniform",
    window_s=10.0,
    # About the area of the 224x224 that the weights were trained on, in multiples of 32. Attention grows with the
    # square of the area: at 256x384 it would take three times the memory.
    input_size=(192, 288),
    mean=(114.75,),  # one value for all channels, as the weights were trained with: clip.channels=fold is exact
    std=(57.375,),
)

model = dict(
    backbone=dict(
        _delete_=True,
        type="UniFormer",
        depth=[3, 4, 8, 3],
        embed_dim=[64, 128, 320, 512],
        head_dim=64,
        drop_path_rate=0.1,
        pretrained2d=False,  # else MMAction2 leaves out the initialisation that the paper describes
    ),
    cls_head=dict(type="I3DHead", in_channels=512, dropout_ratio=0.5),
)

# Attention is trained with AdamW: with the guide's SGD it hardly moves. A tenth of it for the backbone, as there.
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=2e-4, betas=(0.9, 0.999), weight_decay=0.05),
    clip_grad=dict(max_norm=5),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=True, begin=0, end=10, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", T_max=90, eta_min=1e-6, by_epoch=True, begin=10, end=100),
]

load_from = "uniformer_s_16x4_kinetics400"
