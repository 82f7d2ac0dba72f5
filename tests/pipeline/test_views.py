from __future__ import annotations

from typing import Any

import pytest
import torch
from mmaction.structures import ActionDataSample

from thermalctl.clip_spec import ClipSpec
from thermalctl.pipeline.augment import Augmentation
from thermalctl.pipeline.preprocessor import ThermalDataPreprocessor
from thermalctl.pipeline.views import View, count_view_context, list_views

T, H, W, E = 8, 12, 16, 3


def make_spec(**fields: Any) -> ClipSpec:
    values = {"num_frames": T, "input_size": (H, W), "channels": "fold"} | fields
    return ClipSpec(classes=("a", "b"), **values)


def show(view: View | None, clips: torch.Tensor, spec: ClipSpec, sample: Any = None) -> torch.Tensor:
    preprocessor = ThermalDataPreprocessor(spec.to_dict())
    preprocessor.view = view
    batch = {"inputs": [clips], "data_samples": [sample or ActionDataSample()]}
    return preprocessor(batch, training=False)["inputs"][0, 0, 0]


CLIP = 20 + torch.rand(T + 2 * E, H, W, generator=torch.Generator().manual_seed(0))
PLAIN = show(None, CLIP[E:-E], make_spec())


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View(name="as it is"), PLAIN),
        (View(name="mirrored", mirror_x=True), PLAIN.flip(-1)),
        (View(name="upside down", mirror_y=True), PLAIN.flip(-2)),
        (View(name="turned by 180", mirror_x=True, mirror_y=True), PLAIN.flip(-1, -2)),
        (View(name="later", shift_frames=3), show(None, CLIP[6:], make_spec())),
        (View(name="earlier", shift_frames=-2), show(None, CLIP[1:9], make_spec())),
    ],
    ids=lambda value: value.name if isinstance(value, View) else "",
)
def test_view_shows_the_clip_so(view: View, expected: torch.Tensor) -> None:
    assert torch.equal(show(view, CLIP, make_spec()), expected)


@pytest.mark.parametrize(("quarters", "mirrors"), [(1, (True, False)), (3, (False, True))])
def test_square_person_is_turned(quarters: int, mirrors: tuple[bool, bool]) -> None:
    spec = make_spec(target="person", person_crop="fixed", input_size=(10, 10))
    sample = ActionDataSample(metainfo={"boxes": [(0.4, 0.5, 0.3, 0.4)]})
    plain = show(View(name=""), CLIP, spec, sample)
    turned = show(View(name="", mirror_x=mirrors[0], mirror_y=mirrors[1], turned=True), CLIP, spec, sample)
    # torch turns against the clock.
    assert torch.allclose(turned, torch.rot90(plain, quarters, (-2, -1)), atol=1e-6)


def test_model_is_shown_nothing_that_its_training_did_not_have() -> None:
    spec = make_spec()

    def names(**augmentation: Any) -> list[str]:
        return [view.name for view in list_views(spec, Augmentation(**augmentation))]

    shifts = ["1 frames earlier", "1 frames later"]
    assert names() == ["as it is", *shifts]
    assert names(flip=0.5) == ["as it is", "mirrored", *shifts]
    assert names(flip=0.5, flip_vertical=0.5) == ["as it is", "mirrored", "upside down", "turned by 180", *shifts]
    assert len(names(flip=0.5, flip_vertical=0.5, quarter_turns=0.5)) == 8
    assert count_view_context(list_views(spec, Augmentation())) == 1
    assert count_view_context(()) == 0
