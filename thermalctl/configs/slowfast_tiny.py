"""A small SlowFast at the sensor's own 40x60 pixels, from scratch, for two CPU cores.

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
    input_size=(40, 60),
    channels="fold",
    mean=(110.0,),  # about 22 deg C, a room
    std=(30.0,),  # about 5 deg C, a person in it
)

# "inverse": total / (classes * count), counted on the train split; "effective": by the effective number of clips;
# "none": every clip counts the same; or weights by class name.
class_weights = "none"
effective_weights = dict(beta=0.999, cap=10.0)

model = dict(
    type="Recognizer3D",
    backbone=dict(
        type="ResNet3dSlowFast",
        pretrained=None,
        resample_rate=8,  # of 64 frames the slow pathway sees 8
        speed_ratio=4,  # and the fast pathway 32
        channel_ratio=4,
        slow_pathway=dict(
            type="resnet3d",
            depth=18,
            pretrained=None,
            lateral=True,
            base_channels=16,
            conv1_kernel=(1, 5, 5),
            conv1_stride_t=1,
            pool1_stride_t=1,
            inflate=(0, 0, 1, 1),
            norm_eval=False,
        ),
        fast_pathway=dict(
            type="resnet3d",
            depth=18,
            pretrained=None,
            lateral=False,
            base_channels=4,
            conv1_kernel=(5, 5, 5),
            conv1_stride_t=1,
            pool1_stride_t=1,
            norm_eval=False,
        ),
    ),
    cls_head=dict(
        type="SlowFastHead",
        in_channels=160,  # 128 of the slow pathway and 32 of the fast one
        num_classes=None,
        dropout_ratio=0.2,
        average_clips="prob",
        loss_cls=dict(type="thermalctl.models.losses.CrossEntropy", class_weight=None),
    ),
    data_preprocessor=dict(
        type="thermalctl.pipeline.preprocessor.ThermalDataPreprocessor",
        augment=dict(
            crop_area=(0.7, 1.0),
            crop_aspect=(0.85, 1.15),
            flip=0.5,
            flip_vertical=0.5,  # the camera looks straight down
            brightness=0.1,
            contrast=0.1,
        ),
    ),
)

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type="thermalctl.pipeline.samplers.ClassSampler", strategy="natural", oversample=1.0),
    dataset=dict(type="thermalctl.pipeline.clip_dataset.ClipDataset", split="train"),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="thermalctl.pipeline.clip_dataset.ClipDataset", split="val"),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="thermalctl.engine.accuracy.ClassAccuracy")
test_evaluator = val_evaluator

train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=30, val_begin=1, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=0.002, weight_decay=0.05),
    clip_grad=dict(max_norm=40, norm_type=2),
)
# --epochs stretches both in proportion.
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=True, begin=0, end=5, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", T_max=25, eta_min=1e-5, by_epoch=True, begin=5, end=30, convert_to_iter_based=True),
]
auto_scale_lr = dict(enable=False, base_batch_size=8)

default_hooks = dict(
    runtime_info=dict(type="RuntimeInfoHook"),
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=10, ignore_last=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", interval=1, max_keep_ckpts=3, save_best="acc/top1", rule="greater"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    sync_buffers=dict(type="SyncBuffersHook"),
)
custom_hooks: list[dict[str, object]] = []  # no early stopping: the number of epochs is fixed beforehand

visualizer = dict(type="Visualizer", vis_backends=[dict(type="TensorboardVisBackend")])
log_processor = dict(type="LogProcessor", window_size=20, by_epoch=True)
log_level = "INFO"

# Two threads take 0.6 of the time on an idle machine, but on a busy one they wait for each other: with one other
# process at work a step took 0.19 s on one thread, 0.76 to 1.65 s on two.
cpu_threads = 1
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
randomness = dict(seed=42, deterministic=False)
load_from = None
resume = False
