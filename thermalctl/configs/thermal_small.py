"""Each person by themselves, in degrees above the room: for sensors at the ceiling, from scratch, on two CPU cores.

The network is slowfast-tiny's. What differs is what it is shown; docs/accuracy.md says what that is worth:

- a square of 24 pixels around each person, the same for all, so that who lies is longer than who stands;
- temperatures above what surrounds them, as rooms, and places in a room, differ by degrees;
- every quarter turn and mirror image, as no direction is up;
- rare classes more often, by the square root of how rare they are.
"""

_base_ = "slowfast_tiny.py"

clip = dict(
    target="person",
    person_margin=1.0,
    person_min_px=24.0,
    temperatures="relative",
    temperature_range_c=(-15.0, 25.0),
    input_size=(32, 32),
)

model = dict(
    data_preprocessor=dict(
        augment=dict(
            _delete_=True,
            crop_area=(0.75, 1.0),
            crop_aspect=(1.0, 1.0),
            flip=0.5,
            quarter_turns=0.75,
            gain=0.1,
            noise_c=0.2,
            temporal_jitter=4.0,
        ),
    ),
)

train_dataloader = dict(sampler=dict(strategy="sqrt"))

train_cfg = dict(max_epochs=40)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=True, begin=0, end=6, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", T_max=34, eta_min=1e-5, by_epoch=True, begin=6, end=40, convert_to_iter_based=True),
]
