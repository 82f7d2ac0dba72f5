from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from thermalctl.dataset.class_balance import effective_weights, inverse_weights, order_weights, read_class_weights
from thermalctl.errors import ConfigError, DatasetError

CLASSES = ("sitting", "standing", "lying down", "other")
COUNTS = np.array([5, 2, 1, 0])


def test_inverse_weights_by_hand_with_an_unseen_class_counted_as_one() -> None:
    # 8 samples, 4 classes: 8 / (4 * count).
    np.testing.assert_allclose(inverse_weights(COUNTS), [0.4, 1.0, 2.0, 2.0])


def test_effective_weights_by_hand() -> None:
    # With beta 1/2 the effective numbers of 1, 2 and 3 clips are 1, 1.5 and 1.75; their inverses have mean 47/63.
    expected = np.array([1, 2 / 3, 4 / 7]) / (47 / 63)
    np.testing.assert_allclose(effective_weights(np.array([1, 2, 3]), beta=0.5), expected)


def test_effective_weights_of_many_clips_by_a_sum() -> None:
    """The effective number is the sum of beta^i for each of the clips."""
    counts = np.array([314, 40, 7])
    inverses = np.array([1 / sum(0.99**index for index in range(count)) for count in counts])
    np.testing.assert_allclose(effective_weights(counts, beta=0.99, cap=1e6), inverses / inverses.mean())


def test_beta_goes_from_equal_to_inverse_weights() -> None:
    counts = np.array([100, 10, 4])
    np.testing.assert_allclose(effective_weights(counts, beta=0.0), 1)
    inverses = 1 / counts
    almost = effective_weights(counts, beta=1 - 1e-9, cap=1e6)
    np.testing.assert_allclose(almost, inverses / inverses.mean(), rtol=1e-5)


def test_no_class_weighs_more_than_the_cap_times_the_least() -> None:
    # Uncapped they would be as 1 : 1.0 : 8.3 : 83; at 10 times the least the last is cut.
    counts = np.array([100, 100, 10, 1])
    weights = effective_weights(counts, beta=1 - 1e-9, cap=20.0)
    np.testing.assert_allclose(weights / weights.min(), [1, 1, 10, 20], rtol=1e-5)
    assert weights.mean() == pytest.approx(1)
    usual = effective_weights(np.array([300, 12, 1]))
    np.testing.assert_allclose(usual / usual.min(), [1, 10, 10])


def test_absent_classes_have_no_part_in_effective_weights() -> None:
    weights = effective_weights(np.array([50, 0, 3, 0]))
    np.testing.assert_array_equal(weights[[0, 2]], effective_weights(np.array([50, 3])))
    assert weights[[1, 3]].tolist() == [1, 1]
    assert weights[[0, 2]].mean() == pytest.approx(1)


@pytest.mark.parametrize(("values", "name"), [({"beta": 1.0}, "beta is 1.0"), ({"cap": 0.5}, "cap is 0.5")])
def test_impossible_effective_weights_are_refused(values: dict[str, float], name: str) -> None:
    with pytest.raises(ConfigError, match=rf"effective_weights\.{name}"):
        effective_weights(COUNTS, **values)


def write(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("w.json", '{"lying down-on the bed/couch": 2, "a, b": 0.5}'),
        ("w.csv", 'lying down-on the bed/couch,2\n"a, b",0.5\n'),
        ("w.csv", 'class,Weight\nlying down-on the bed/couch, 2.0\n\n"a, b",5e-1'),
        ("w.CSV", '\ufefflying down-on the bed/couch,2\r\n"a, b",0.5\r\n'),
    ],
    ids=["json", "csv", "csv with a header", "csv from a spreadsheet"],
)
def test_weights_are_read_by_class_name(tmp_path: Path, name: str, text: str) -> None:
    assert read_class_weights(write(tmp_path, name, text)) == {"lying down-on the bed/couch": 2.0, "a, b": 0.5}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("w.json", '{"a": -1, "b": 1}', '"a" has weight -1, expected a number, 0 or more'),
        ("w.json", '{"a": "2"}', '"a" has weight "2"'),
        ("w.json", '{"a": true}', '"a" has weight true'),
        ("w.json", '{"a": NaN}', '"a" has weight NaN'),
        ("w.json", '{"a": Infinity}', '"a" has weight Infinity'),
        ("w.json", "[1, 2]", "holds a JSON list, expected an object"),
        ("w.json", '{"a": 1', r"w\.json: is not JSON"),
        ("w.csv", "a,1\nb,much\n", '"b" has weight "much"'),
        ("w.csv", "a,1\na,2\n", 'row 2 names "a" again'),
        ("w.csv", "a,1,2\n", "row 1 has 3 cells, expected 2"),
        ("w.csv", "a;1\n", "row 1 has 1 cells, expected 2"),
        ("w.csv", "", "holds no weights"),
        ("w.csv", "class,weight\n", "holds no weights"),
        ("w.csv", '"a,1\n', "is not CSV"),
    ],
)
def test_file_of_other_things_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_class_weights(write(tmp_path, name, text))


def test_unreadable_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_bytes(b"caf\xe9,1\n")
    with pytest.raises(DatasetError, match=r"w\.csv: is not CSV in UTF-8"):
        read_class_weights(tmp_path / "w.csv")
    with pytest.raises(DatasetError, match=r"none\.csv: cannot be read \(No such file"):
        read_class_weights(tmp_path / "none.csv")


def test_weights_are_put_in_the_order_of_the_classes() -> None:
    weights = order_weights({"lying down": 3, "standing": 0, "sitting": 0.5}, CLASSES, COUNTS)
    assert weights.tolist() == [0.5, 0.0, 3.0, 1.0]


def test_every_problem_with_the_names_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        order_weights({"siting": 1, "standing": -2, "xyz": 1}, CLASSES, COUNTS)
    assert str(caught.value).splitlines() == [
        'class weights: "standing" has weight -2, expected a number, 0 or more',
        'class weights: "siting" is no class of the dataset; is "sitting" meant?',
        'class weights: "xyz" is no class of the dataset',
        'class weights: "sitting" has no weight, and 5 training clips',
        'class weights: "lying down" has no weight, and 1 training clips',
    ]


def test_weights_that_leave_nothing_to_learn_are_refused() -> None:
    with pytest.raises(ConfigError, match="every class that occurs has weight 0"):
        order_weights({"sitting": 0, "standing": 0, "lying down": 0, "other": 1}, CLASSES, COUNTS)
