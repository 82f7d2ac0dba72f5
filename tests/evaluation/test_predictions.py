from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thermalctl.errors import PredictionsError
from thermalctl.evaluation.predictions import Predictions, read_predictions, write_predictions
from thermalctl.evaluation.protocol import ProtocolRecord

LABELS = [0, 2, 1]
SCORES = np.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5], [0.1, 0.3, 0.6]])


@pytest.fixture
def predictions(make_predictions: Any) -> Predictions:
    return make_predictions(
        LABELS,
        SCORES,
        logits=np.log(SCORES),
        boxes=np.array([[0.5, 0.5, 0.1, 0.2], [0.1, 0.9, 0.2, 0.2], [0.4, 0.4, 0.3, 0.3]]),
        train_counts=np.array([5, 0, 7]),
        classes=("sitting", "lying on the bed/couch", "跌倒"),
        protocol=ProtocolRecord(
            split="val",
            split_rule="given",
            selection="best acc/top1 on val",
            selection_split="val",
            num_overlapping=3,
            sessions_in_train=("SL14", "SL18"),
            target="person",
        ),
    )


def assert_same(found: Predictions, expected: Predictions) -> None:
    for field in dataclasses.fields(Predictions):
        left, right = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(right, np.ndarray):
            np.testing.assert_array_equal(left, right, strict=True)
        else:
            assert left == right, field.name


def rewrite(path: Path, **changes: Any) -> None:
    """Rewrite a predictions file with some of its arrays replaced; None removes one."""
    with np.load(path, allow_pickle=False) as archive:
        members = {name: archive[name] for name in archive.files}
    members = {name: value for name, value in (members | changes).items() if value is not None}
    np.savez(path, **members)


def rewrite_header(path: Path, **changes: Any) -> None:
    with np.load(path, allow_pickle=False) as archive:
        header = json.loads(archive["header"].tobytes())
    rewrite(path, header=np.frombuffer(json.dumps(header | changes).encode(), dtype=np.uint8))


def test_file_keeps_every_field(tmp_path: Path, predictions: Predictions) -> None:
    path = tmp_path / "run" / "predictions_val.npz"
    write_predictions(path, predictions)
    assert_same(read_predictions(path), predictions)


def test_file_keeps_what_is_absent_absent(tmp_path: Path, make_predictions: Any) -> None:
    expected = make_predictions(LABELS, SCORES)
    write_predictions(tmp_path / "p.npz", expected)
    found = read_predictions(tmp_path / "p.npz")
    assert_same(found, expected)
    assert found.logits is None
    assert found.boxes is None
    assert found.train_counts is None


def test_file_is_written_under_the_name_it_was_given(tmp_path: Path, predictions: Predictions) -> None:
    write_predictions(tmp_path / "other.name", predictions)
    assert [entry.name for entry in tmp_path.iterdir()] == ["other.name"]
    assert_same(read_predictions(tmp_path / "other.name"), predictions)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match=r"p\.npz: no such file") as caught:
        read_predictions(tmp_path / "p.npz")
    assert caught.value.hint


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file_is_refused(tmp_path: Path, predictions: Predictions, kept: float) -> None:
    path = tmp_path / "p.npz"
    write_predictions(path, predictions)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(PredictionsError, match=r"p\.npz: is not a whole predictions file"):
        read_predictions(path)


def test_any_flipped_byte_is_refused_or_harmless(tmp_path: Path, predictions: Predictions) -> None:
    path = tmp_path / "p.npz"
    write_predictions(path, predictions)
    whole = bytearray(path.read_bytes())
    num_refused = 0
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            assert_same(read_predictions(path), predictions)
        except PredictionsError:
            num_refused += 1
    assert num_refused > 0.5 * len(whole) / 7


def test_pickle_in_the_file_is_not_run(tmp_path: Path, predictions: Predictions) -> None:
    class Touch:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "it ran",)

    path = tmp_path / "p.npz"
    write_predictions(path, predictions)
    with np.load(path) as archive:
        members = {name: archive[name] for name in archive.files}
    np.savez(path, **(members | {"labels": np.array([Touch()], dtype=object)}), allow_pickle=True)
    with pytest.raises(PredictionsError, match="allow_pickle"):
        read_predictions(path)
    path.write_bytes(pickle.dumps(Touch()))
    with pytest.raises(PredictionsError, match="not a whole predictions file"):
        read_predictions(path)
    assert not (tmp_path / "it ran").exists()


def test_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", weights=np.ones(3))
    with pytest.raises(PredictionsError, match="is no predictions file: it has no header"):
        read_predictions(tmp_path / "p.npz")


@pytest.mark.parametrize("header", [b"{", b"\xff", b"[" * 100_000], ids=["cut", "not UTF-8", "too deep"])
def test_header_that_is_not_json_is_refused(tmp_path: Path, predictions: Predictions, header: bytes) -> None:
    write_predictions(tmp_path / "p.npz", predictions)
    rewrite(tmp_path / "p.npz", header=np.frombuffer(header, dtype=np.uint8))
    with pytest.raises(PredictionsError, match="its header is not JSON"):
        read_predictions(tmp_path / "p.npz")


def test_other_format_version_is_refused(tmp_path: Path, predictions: Predictions) -> None:
    write_predictions(tmp_path / "p.npz", predictions)
    rewrite_header(tmp_path / "p.npz", version=1)
    with pytest.raises(PredictionsError, match="is of format version 1, expected 2") as caught:
        read_predictions(tmp_path / "p.npz")
    assert "another version of thermalctl" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "weights"}, "does not say"),
        ({"classes": "sitting"}, "its classes is no list of texts"),
        ({"sample_ids": [1, 2, 3]}, "its sample_ids is no list of texts"),
        ({"protocol": {"split": "val"}}, "its ProtocolRecord does not hold exactly split, split_rule"),
        ({"provenance": None}, "its Provenance does not hold exactly checkpoint"),
    ],
)
def test_header_with_wrong_fields_is_refused(
    tmp_path: Path, predictions: Predictions, changes: dict[str, Any], message: str
) -> None:
    write_predictions(tmp_path / "p.npz", predictions)
    rewrite_header(tmp_path / "p.npz", **changes)
    with pytest.raises(PredictionsError, match=message):
        read_predictions(tmp_path / "p.npz")


@pytest.mark.parametrize("value", [True, "3", 2.5])
def test_header_field_of_wrong_type_is_refused(tmp_path: Path, predictions: Predictions, value: Any) -> None:
    write_predictions(tmp_path / "p.npz", predictions)
    rewrite_header(tmp_path / "p.npz", protocol=dataclasses.asdict(predictions.protocol) | {"num_overlapping": value})
    with pytest.raises(PredictionsError, match=r"num_overlapping is .*, expected int \| None"):
        read_predictions(tmp_path / "p.npz")


def test_missing_array_is_named(tmp_path: Path, predictions: Predictions) -> None:
    write_predictions(tmp_path / "p.npz", predictions)
    rewrite(tmp_path / "p.npz", labels=None, keyframes=None)
    with pytest.raises(PredictionsError, match=r"p\.npz: lacks labels, keyframes"):
        read_predictions(tmp_path / "p.npz")


def test_wrong_values_in_a_file_are_refused_with_its_name(tmp_path: Path, predictions: Predictions) -> None:
    write_predictions(tmp_path / "p.npz", predictions)
    rewrite(tmp_path / "p.npz", labels=np.array([0, 1, 3]))
    with pytest.raises(PredictionsError, match=r'p\.npz: sample "sample 2" has label 3, expected 0 to 2') as caught:
        read_predictions(tmp_path / "p.npz")
    assert caught.value.hint == "write the file again: thermalctl test WORK_DIR"


@pytest.mark.parametrize("name", ["scores", "logits"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused_by_sample(make_predictions: Any, name: str, value: float) -> None:
    bad = np.array(SCORES)
    bad[1, 0] = value
    with pytest.raises(PredictionsError, match=f'sample "sample 1" has {name} that are not finite numbers'):
        make_predictions(LABELS, **({"scores": SCORES} | {name: bad}))


@pytest.mark.parametrize("row", [[2.0, -1.0, 0.0], [3.0, 1.0, 0.5], [0.0, 0.0, 0.0]])
def test_scores_that_are_no_probabilities_are_refused(make_predictions: Any, row: list[float]) -> None:
    scores = np.array(SCORES)
    scores[2] = row
    with pytest.raises(PredictionsError, match='sample "sample 2" has scores that are no probabilities'):
        make_predictions(LABELS, scores)


def test_rounding_of_half_precision_is_no_problem(make_predictions: Any) -> None:
    scores = np.random.default_rng(0).dirichlet(np.ones(40), size=100).astype(np.float16).astype(np.float64)
    assert np.abs(scores.sum(axis=1) - 1).max() > 1e-4
    assert make_predictions([0] * 100, scores).num_classes == 40


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classes": ("a", "b")}, r"scores is float64 of shape \(3, 3\), expected float64 of shape \(3, 2\)"),
        ({"labels": np.array([0, 1])}, r"labels is int64 of shape \(2,\), expected int64 of shape \(3,\)"),
        ({"keyframes": np.array([0.0, 1.0, 2.0])}, "keyframes is float64"),
        ({"labels": np.array([0, 1, -1])}, 'sample "sample 2" has label -1, expected 0 to 2'),
        ({"logits": SCORES[:, :2]}, r"logits is float64 of shape \(3, 2\)"),
        ({"boxes": SCORES}, r"boxes is float64 of shape \(3, 3\), expected float64 of shape \(3, 4\)"),
        ({"train_counts": np.array([1, 2])}, r"train_counts is int64 of shape \(2,\)"),
        ({"train_counts": np.array([0, 0, 0])}, r"train_counts is \[0, 0, 0\]"),
        ({"train_counts": np.array([1, -1, 0])}, r"train_counts is \[1, -1, 0\]"),
        ({"sessions": ("a", "b")}, "sessions has 2 entries for 3 clips"),
        ({"sample_ids": ("a", "b", "a")}, 'sample id "a" is there 2 times'),
        ({"classes": ("a", "b", "b")}, 'class "b" is there 2 times'),
        ({"classes": ("a", "b", "\x1b[31mc")}, r"the text '\\x1b\[31mc' is not printable"),
    ],
)
def test_contradictions_are_refused(make_predictions: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(PredictionsError, match=message):
        make_predictions(**({"labels": LABELS, "scores": SCORES} | fields))


def test_unprintable_protocol_text_is_refused(make_predictions: Any) -> None:
    protocol = ProtocolRecord(split="val", split_rule="given", selection="x", sessions_in_train=("SL\x0714",))
    with pytest.raises(PredictionsError, match=r"the text 'SL\\x0714' is not printable"):
        make_predictions(LABELS, SCORES, protocol=protocol)


def test_no_clip_at_all_is_refused(make_predictions: Any) -> None:
    with pytest.raises(PredictionsError, match="no clip was judged"):
        make_predictions([], np.zeros((0, 3)))


def test_all_problems_are_told_at_once(make_predictions: Any) -> None:
    with pytest.raises(PredictionsError, match=r"(?s)label 7.*label 8"):
        make_predictions([0, 7, 8], SCORES)
