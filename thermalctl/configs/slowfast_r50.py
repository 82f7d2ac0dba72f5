"""SlowFast R50 4x16 at 256x384: the finetuning guide's recipe, for a GPU.

Filled in from the dataset when training starts: `data_root`, class names, number of classes, class weights and, from
`clip`, what the datasets and the preprocessor need. SlowFast: https://arxiv.org/abs/1812.03982
"""

default_scope = "mmaction"

# What the model sees of a clip; see thermalctl.clip_spec.ClipSpec.
clip = dict(
    num_frames=64,
    time_sampling="consecutive",
    target="frame",
    repair="nearest",
    temperature_range_c=(5.0, 45.0),
    input_size=(256, 384),
    channels="copy",
    mean=(123.675, 116.28, 103.53),  # ImageNet's, as the Kinetics weights were trained with
    std=(58.395, 57.12, 57.375),
)

# "inverse": total / (classes * count), counted on the train split; "effective": by the effective number of clips;
# "none": every clip counts the same; or weights by class name.
class_weights = "inverse"
effective_weights = dict(beta=0.999, cap=10.0)

model = dict(
    type="Recognizer3D",
    backbone=dict(
        type="ResNet3dSlowFast",
        pretrained=None,
        resample_rate=8,  # of 64 frames the slow pathway sees 8
        speed_ratio=8,  # and the fast pathway all 64
        channel_ratio=8,
        slow_pathway=dict(
            type="resnet3d",
            depth=50,
            pretrained=None,
            lateral=True,
            conv1_kernel=(1, 7, 7),
            dilations=(1, 1, 1, 1),
            conv1_stride_t=1,
            pool1_stride_t=1,
            inflate=(0, 0, 1, 1),
            norm_eval=False,
        ),
        fast_pathway=dict(
            type="resnet3d",
            depth=50,
            pretrained=None,
            lateral=False,
            base_channels=8,
            conv1_kernel=(5, 7, 7),
            conv1_stride_t=1,
            pool1_stride_t=1,
            norm_eval=False,
        ),
    ),
    cls_head=dict(
        type="SlowFastHead",
        in_channels=2304,  # 2048 of the slow pathway and 256 of the fast one
        num_classes=None,
        dropout_ratio=0.8,
        average_clips="prob",
        loss_cls=dict(type="thermalctl.models.losses.CrossEntropy", class_weight=None),
    ),
    data_preprocessor=dict(
        type="thermalctl.pipeline.preprocessor.ThermalDataPreprocessor",
        augment=dict(
            crop_area=(0.7, 1.0),
            crop_aspect=(0.85, 1.15),
            flip=0.5,
            brightness=0.3,
            contrast=0.3,
            erase=0.25,
            erase_area=(0.02, 0.2),
            erase_fill=(128.0, 64.0),
        ),
    ),
)

train_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="thermalctl.pipeline.samplers.ClassSampler", strategy="natural", oversample=1.0),
    dataset=dict(type="thermalctl.pipeline.clip_dataset.ClipDataset", split="train"),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="thermalctl.pipeline.clip_dataset.ClipDataset", split="val"),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="thermalctl.engine.accuracy.ClassAccuracy")
test_evaluator = val_evaluator

train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=100, val_begin=1, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.005, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
    clip_grad=dict(max_norm=40, norm_type=2),
)
# --epochs stretches both in proportion.
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=True, begin=0, end=10, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", T_max=90, eta_min=1e-4, by_epoch=True, begin=10, end=100),
]
auto_scale_lr = dict(enable=False, base_batch_size=16)

default_hooks = dict(
    runtime_info=dict(type="RuntimeInfoHook"),
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=10, ignore_last=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", interval=5, max_keep_ckpts=5, save_best="acc/top1", rule="greater"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    sync_buffers=dict(type="SyncBuffersHook"),
)
custom_hooks = [
    dict(type="EarlyStoppingHook", monitor="acc/top1", rule="greater", patience=20, min_delta=0.001),
]

visualizer = dict(type="Visualizer", vis_backends=[dict(type="TensorboardVisBackend")])
log_processor = dict(type="LogProcessor", window_size=20, by_epoch=True)
log_level = "INFO"

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
randomness = dict(seed=42, deterministic=False)
load_from = "slowfast_r50_4x16_kinetics400"
resume = False
