from __future__ import annotations

import dataclasses
import getpass
from pathlib import Path
from typing import Any

import pytest

from thermalctl.dataset.samples import ThermalDataset
from thermalctl.deploy.card import write_card
from thermalctl.deploy.export import ExportedModel, export_onnx
from thermalctl.deploy.metadata import FittedTemperature
from thermalctl.deploy.training_facts import TrainingFacts
from thermalctl.deploy.verify import verify_onnx
from thermalctl.engine.restore import RestoredModel
from thermalctl.engine.score import score_split

FIT = FittedTemperature(
    temperature=1.25, split="val", num_clips=73, by_session=True, log_loss=0.8, log_loss_scaled=0.7, ece=0.1,
    ece_scaled=0.05,
)  # fmt: skip
COUNTS = (5, 0, 3, *[9] * 11)


@pytest.fixture(scope="module")
def exported(model: RestoredModel, tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    path = tmp_path_factory.mktemp("onnx") / "falls.onnx"
    return export_onnx(model, path, frame_size=(12, 18), opset=17, outputs=("probabilities", "logits", "features"))


def write(exported: ExportedModel, restored: RestoredModel, facts: TrainingFacts, **told: Any) -> str:
    path = write_card(exported, restored, facts, **({"verification": None, "judged": None} | told))
    assert path == exported.path.with_suffix(".md")
    return path.read_text(encoding="utf-8")


@pytest.fixture
def facts(model: RestoredModel) -> TrainingFacts:
    return TrainingFacts(
        fingerprint="fe" * 32, counts=COUNTS, num_recordings=3, num_sessions=2, num_sensors=1, clip_s=(1.5, 2.25)
    )


def test_card_says_what_goes_in_and_out(exported: ExportedModel, model: RestoredModel, facts: TrainingFacts) -> None:
    text = write(exported, model, facts)
    assert text.startswith("# falls.onnx\n")
    assert "| in: `input` | (N, 16, 12, 18) float32 | degrees Celsius |" in text
    assert "| out: `features` | (N, 160) float32 |" in text
    assert "- 16 consecutive frames of 12x18 pixels, float32, degrees Celsius, as the sensor sent them." in text
    assert "- In training a clip lasted 1.5 to 2.2 s" in text
    assert "- Temperatures from 5 to 45 °C are told apart" in text


def test_card_says_what_it_was_made_from_and_trained_on(
    exported: ExportedModel, model: RestoredModel, facts: TrainingFacts
) -> None:
    text = write(exported, model, facts)
    assert f"- SHA-256 of the checkpoint: `{model.sha256}`" in text
    assert "- checkpoint: `epoch_1.pth`, last epoch, after 1 epoch\n" in text
    assert "- precision: float32\n- temperature: none;" in text
    assert "- 107 clips of 3 recordings in 2 sessions, 1 sensor\n" in text
    assert f"- fingerprint of the dataset: `{'fe' * 32}`" in text
    assert f"| 0 | {model.classes[0]} | 5 |" in text


def test_classes_that_training_lacked_are_limits(
    exported: ExportedModel, model: RestoredModel, facts: TrainingFacts
) -> None:
    limits = write(exported, model, facts).partition("## Limits")[2]
    assert f'It has never seen "{model.classes[1]}":' in limits
    assert f'It has seen fewer than 5 clips each of "{model.classes[2]}".' in limits
    assert "of one sensor; others were not tried" in limits
    assert "Nobody has measured how often it is right." in limits


def test_card_of_a_model_that_nobody_judged_or_checked_says_so(exported: ExportedModel, model: RestoredModel) -> None:
    text = write(exported, model, TrainingFacts(fingerprint=None))
    assert "Nobody has judged this checkpoint" in text
    assert "It was not: there was no dataset to compare it on." in text
    assert "- how many clips is not known\n- fingerprint of the dataset: not known" in text
    assert f"| 0 | {model.classes[0]} | not known |" in text


def test_figures_stand_beside_those_of_the_baselines_and_after_the_protocol(
    exported: ExportedModel, model: RestoredModel, dataset: ThermalDataset, facts: TrainingFacts
) -> None:
    predictions = score_split(model, dataset, "val")
    text = write(exported, model, facts, judged=predictions)
    good = text.partition("## How good it is")[2].partition("\n## ")[0]
    top1 = 100 * (predictions.scores.argmax(1) == predictions.labels).mean()
    assert good.index("val, 6 clips") < good.index(f"| this model | {top1:.1f} [") < good.index("| always the majority")
    assert "Nobody" not in text


def test_verification_is_told_to_the_digit(
    exported: ExportedModel, model: RestoredModel, dataset: ThermalDataset, facts: TrainingFacts
) -> None:
    verification = verify_onnx(exported.path, model, dataset, num_clips=3)
    text = write(exported, model, facts, verification=verification)
    assert "3 val clips, 2 of them with incomplete frames, in batches of 1, 2: the file holds." in text
    largest = verification.differences[0].largest
    assert f"| ok | fp32 | PyTorch | probabilities | {largest:.1e} | 3 of 3 |" in text
    failed = write(exported, model, facts, verification=dataclasses.replace(verification, holds=False))
    assert "the file DOES NOT HOLD." in failed


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"precision": "fp16"}, "- precision: float16 in the network"),
        ({"precision": "int8"}, "scales measured on 12 training clips; float32 before and after it"),
        ({"temperature": 1.5}, "- temperature: 1.500, given by hand"),
        ({"temperature": 1.25, "fit": FIT}, "- temperature: 1.250, fitted on 73 val clips. On sessions left out of"),
        ({"temperature": 1.25, "fit": FIT}, "log loss 0.800 before, 0.700 after; calibration error 10.0 % before, 5.0"),
    ],
)
def test_precision_and_temperature_are_told(
    exported: ExportedModel, model: RestoredModel, facts: TrainingFacts, changes: dict[str, Any], expected: str
) -> None:
    assert expected in write(dataclasses.replace(exported, **changes), model, facts, num_calibration_clips=12)


def test_lines_that_run_it_do(
    exported: ExportedModel, model: RestoredModel, facts: TrainingFacts, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    code = write(exported, model, facts).partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(exported.path.parent)
    exec(code, {})
    name, probability = capsys.readouterr().out.rsplit(maxsplit=1)
    assert name in model.classes
    assert 0 < float(probability) <= 1


def test_card_of_a_model_of_people_has_boxes(
    person_model: RestoredModel, facts: TrainingFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = export_onnx(person_model, tmp_path / "m.onnx", frame_size=(12, 18), opset=17)
    text = write(exported, person_model, facts)
    assert "It judges one person, whose box is given for each frame." in text
    monkeypatch.chdir(tmp_path)
    exec(text.partition("```python\n")[2].partition("```")[0], {})


def test_card_of_the_models_own_input_says_that_it_does_not_say_all(
    guide_model: RestoredModel, facts: TrainingFacts, tmp_path: Path
) -> None:
    exported = export_onnx(guide_model, tmp_path / "m.onnx", input_kind="rgb", opset=17)
    text = write(exported, guide_model, facts)
    assert "| in: `input` | (N, 3, 16, 24, 36) float32 | normalised |" in text
    assert "degrees Celsius" not in text.partition("## Classes")[0]


def test_nothing_of_this_machine_is_in_the_card(
    exported: ExportedModel, model: RestoredModel, dataset: ThermalDataset, facts: TrainingFacts
) -> None:
    predictions = score_split(model, dataset, "val")
    assert str(dataset.layout.root) in predictions.provenance.dataset
    text = write(exported, model, facts, judged=predictions)
    for secret in (
        str(exported.path.parent),
        str(model.path.parent),
        str(dataset.layout.root),
        f"/{getpass.getuser()}/",
    ):
        assert secret not in text


def test_class_names_do_not_break_the_table(
    exported: ExportedModel, model: RestoredModel, facts: TrainingFacts
) -> None:
    odd = dataclasses.replace(exported, classes=("a | b\nc", *exported.classes[1:]))
    assert "| 0 | a \\| b c | 5 |" in write(odd, model, facts)
