from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from scipy.special import softmax

import thermalctl.deploy
from thermalctl.dataset.samples import ThermalDataset, clip_indices
from thermalctl.deploy.export import export_onnx
from thermalctl.deploy.runtime import Answer, ThermalClassifier
from thermalctl.engine.restore import RestoredModel
from thermalctl.errors import CheckpointError, RecordingError, RequestError
from thermalctl.recordings.hdf5 import RecordingFile

EXAMPLE = Path(__file__).parents[2] / "examples" / "onnx_minimal.py"
PAGE = Path(__file__).parents[2] / "docs" / "runtime.md"


@pytest.fixture(scope="module")
def path(model: RestoredModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(model, path, frame_size=(12, 18), opset=17)
    return path


@pytest.fixture(scope="module")
def person_path(person_model: RestoredModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "person.onnx"
    export_onnx(person_model, path, frame_size=(12, 18), opset=17)
    return path


@pytest.fixture(scope="module")
def fixed_person_path(fixed_person_model: RestoredModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "fixed.onnx"
    export_onnx(fixed_person_model, path, frame_size=(12, 18), opset=17)
    return path


def make_clips(number: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(22, 3, size=(number, 16, 12, 18)).astype(np.float32)


def run_python(*arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, check=True)
    return done.stdout


def test_session_says_what_the_model_expects(path: Path, model: RestoredModel) -> None:
    classifier = ThermalClassifier(path)
    assert classifier.clip_shape == (16, 12, 18)
    assert classifier.classes == model.classes


def test_probabilities_add_up_to_one(path: Path) -> None:
    scores = ThermalClassifier(path).predict(make_clips(3))
    assert scores.shape == (3, 14)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)


def test_clips_of_another_type_or_layout_in_memory_are_taken(path: Path) -> None:
    clips = make_clips(2)
    classifier = ThermalClassifier(path)
    expected = classifier.predict(clips)
    np.testing.assert_array_equal(classifier.predict(clips.astype(np.float64)), expected)
    np.testing.assert_array_equal(classifier.predict(clips[::-1])[::-1], expected)


@pytest.mark.parametrize("shape", [(16, 12, 18), (1, 16, 18, 12), (2, 8, 12, 18)])
def test_clips_of_another_shape_are_refused(path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match=r"expected \(N, 16, 12, 18\)"):
        ThermalClassifier(path).predict(np.full(shape, 22, dtype=np.float32))


def test_clip_without_a_complete_frame_is_refused(path: Path) -> None:
    clips = make_clips(2)
    clips[1, :, -1] = -273.2
    with pytest.raises(RecordingError, match="clip 1: none of its 16 frames is complete"):
        ThermalClassifier(path).predict(clips)
    clips[1, 3] = 22
    ThermalClassifier(path).predict(clips)


@pytest.mark.parametrize("shape", [(1, 16, 4), (2, 4), (2, 15, 4), (2, 16, 3)])
def test_model_that_follows_people_wants_a_box_for_each_frame(person_path: Path, shape: tuple[int, ...]) -> None:
    classifier = ThermalClassifier(person_path)
    with pytest.raises(RequestError, match=r"got no boxes, expected boxes of shape \(2, 16, 4\)"):
        classifier.predict(make_clips(2))
    with pytest.raises(RequestError, match=r"expected boxes of shape \(2, 16, 4\)"):
        classifier.predict(make_clips(2), np.full(shape, 0.5))


def test_model_that_looks_at_one_place_wants_a_box_for_each_clip(fixed_person_path: Path) -> None:
    classifier = ThermalClassifier(fixed_person_path)
    with pytest.raises(RequestError, match=r"got boxes of shape \(2, 16, 4\), expected boxes of shape \(2, 4\)"):
        classifier.predict(make_clips(2), np.full((2, 16, 4), 0.5))


def test_model_of_whole_frames_wants_no_box(path: Path) -> None:
    with pytest.raises(RequestError, match="expected no boxes"):
        ThermalClassifier(path).predict(make_clips(1), np.array([[0.5, 0.5, 0.2, 0.2]]))


def test_box_decides_where_a_model_of_people_looks(person_path: Path, fixed_person_path: Path) -> None:
    clips = np.repeat(make_clips(1), 2, axis=0)
    boxes = np.array([[0.2, 0.3, 0.2, 0.3], [0.8, 0.7, 0.2, 0.3]])
    for path, where in ((fixed_person_path, boxes), (person_path, boxes[:, None].repeat(16, axis=1))):
        scores = ThermalClassifier(path).predict(clips, where)
        assert np.abs(scores[0] - scores[1]).max() > 1e-3


def test_way_that_a_person_takes_matters(person_path: Path) -> None:
    clips = np.repeat(make_clips(1), 2, axis=0)
    still = np.tile([0.5, 0.5, 0.2, 0.3], (16, 1))
    walking = still.copy()
    walking[:, 0] = np.linspace(0.2, 0.8, 16)
    scores = ThermalClassifier(person_path).predict(clips, np.stack([still, walking]))
    assert np.abs(scores[0] - scores[1]).max() > 1e-3


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.onnx: no such file"):
        ThermalClassifier(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_damaged_file_is_refused(path: Path, tmp_path: Path, content: bytes | None) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(path.read_bytes()[:10_000] if content is None else content)
    with pytest.raises(CheckpointError, match=r"damaged\.onnx: onnxruntime .* cannot load it") as caught:
        ThermalClassifier(damaged)
    assert "\n" not in caught.value.message


def test_model_from_elsewhere_is_refused(path: Path, tmp_path: Path) -> None:
    foreign = onnx.load(path)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(CheckpointError, match="its metadata lacks classes, clip_spec, input_kind"):
        ThermalClassifier(tmp_path / "foreign.onnx")


#: Refuses every package but ours, the standard library's, numpy and onnxruntime.
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names | {"thermalctl", "numpy", "onnxruntime"}:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def test_blocker_blocks() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run_python("-c", f"{BLOCKER}\nimport h5py")
    assert "blocked: h5py" in caught.value.stderr


def test_numpy_and_onnxruntime_are_all_it_needs(path: Path, person_path: Path) -> None:
    code = (
        f"{BLOCKER}\n"
        "import numpy as np\n"
        "from thermalctl.deploy import ThermalClassifier\n"
        "clip = np.full((16, 12, 18), 22, dtype=np.float32)\n"
        f"print(ThermalClassifier({str(path)!r}).classify(clip).class_name)\n"
        f"ThermalClassifier({str(person_path)!r}).classify(clip, np.full((16, 4), 0.5))\n"
    )
    clip = np.full((16, 12, 18), 22, dtype=np.float32)
    answer = ThermalClassifier(path).classify(clip)
    assert isinstance(answer, Answer)
    assert run_python("-c", code).strip() == answer.class_name


def test_what_exports_does_not_load_the_runtime() -> None:
    code = "import sys, thermalctl.deploy; print([name for name in ('numpy', 'onnxruntime') if name in sys.modules])"
    assert run_python("-c", code).strip() == "[]"


def test_names_that_are_not_there_are_refused_as_usual() -> None:
    with pytest.raises(AttributeError, match=r"module 'thermalctl\.deploy' has no attribute 'OnnxClassifier'"):
        _ = thermalctl.deploy.OnnxClassifier


def test_threads_share_one_classifier(path: Path) -> None:
    classifier = ThermalClassifier(path, num_threads=1)
    clips = make_clips(16)
    serial = [classifier.predict(clips[index : index + 2]) for index in range(15)]
    assert np.ptp(np.stack(serial)[:, 0], axis=0).max() > 1e-3  # a mix-up would show
    together = threading.Barrier(8)

    def work(offset: int) -> list[tuple[int, np.ndarray]]:
        together.wait()
        order = [(offset + step) % 15 for step in range(15)]
        return [(index, classifier.predict(clips[index : index + 2])) for index in order]

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for done in pool.map(work, range(8)) for answer in done]
    assert len(answers) == 120
    for index, scores in answers:
        np.testing.assert_array_equal(scores, serial[index])


def test_answer_is_the_most_probable_class(path: Path) -> None:
    clips = make_clips(3)
    classifier = ThermalClassifier(str(path))
    scores = classifier.predict(clips)
    answers = classifier.classify(clips)
    assert isinstance(answers, list)
    for answer, expected in zip(answers, scores, strict=True):
        assert answer.class_id == expected.argmax()
        assert answer.class_name == classifier.classes[answer.class_id]
        assert answer.probability == expected.max()
        np.testing.assert_array_equal(answer.probabilities, expected)


def test_one_clip_gets_one_answer(path: Path, person_path: Path, fixed_person_path: Path) -> None:
    [clip] = make_clips(1)
    for file, boxes in ((path, None), (person_path, np.full((16, 4), 0.5)), (fixed_person_path, np.full(4, 0.5))):
        classifier = ThermalClassifier(file)
        answer = classifier.classify(clip, boxes)
        assert isinstance(answer, Answer)
        expected = classifier.predict(clip[None], None if boxes is None else boxes[None])
        np.testing.assert_array_equal(answer.probabilities, expected[0])


def test_clips_of_whole_numbers_are_refused(path: Path) -> None:
    """A sensor's own counts, in hundredths of a kelvin say."""
    with pytest.raises(RequestError, match="got clips of type uint16, expected float32, deg C"):
        ThermalClassifier(path).predict(np.full((1, 16, 12, 18), 29515, dtype=np.uint16))


def test_output_that_the_file_lacks_is_named(path: Path) -> None:
    with pytest.raises(RequestError, match=r"model\.onnx: has no output logits; it has probabilities") as caught:
        ThermalClassifier(path).run(make_clips(1), outputs=("probabilities", "logits"))
    assert caught.value.hint == "export it with: --outputs logits"


@pytest.mark.parametrize("index", [0, 2, 5])
def test_example_prints_the_very_numbers(path: Path, dataset: ThermalDataset, index: int) -> None:
    """To the last bit: a float32 is printed with as many digits as tell it from the next."""
    sample = dataset.samples("val")[index]
    recording = dataset.layout.recording_file(sample.recording)
    with RecordingFile(recording) as file:
        clip = file.read(clip_indices(sample.keyframe, 16, file.num_frames))
    answer = ThermalClassifier(path).classify(clip)
    assert isinstance(answer, Answer)
    printed = run_python(str(EXAMPLE), str(path), str(recording), str(sample.keyframe))
    assert printed == f"{answer.class_name} {np.float32(answer.probability)!s}\n"


def test_example_is_about_ten_lines() -> None:
    imports = ("import", '"""')
    code = [line for line in EXAMPLE.read_text().splitlines() if line.strip() and not line.startswith(imports)]
    assert len(code) <= 11


def test_outputs_asked_for_come_by_name(model: RestoredModel, tmp_path: Path) -> None:
    export_onnx(model, tmp_path / "m.onnx", frame_size=(12, 18), opset=17, outputs=("probabilities", "logits"),
                temperature=2.0)  # fmt: skip
    classifier = ThermalClassifier(tmp_path / "m.onnx")
    clips = make_clips(2)
    found = classifier.run(clips, outputs=("logits", "probabilities"))
    assert found.features is None
    np.testing.assert_allclose(found.probabilities, softmax(found.logits / 2, axis=1), atol=1e-6)
    np.testing.assert_array_equal(found.probabilities, classifier.predict(clips))
    assert classifier.run(clips, outputs=("logits",)).probabilities is None
    assert classifier.clip_spec == model.clip_spec


def test_lines_of_the_page_run(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("falls.onnx").write_bytes(path.read_bytes())
    frames = iter(make_clips(4).reshape(-1, 12, 18))
    names: dict[str, object] = {"read_frame": lambda: next(frames)}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(code, names)
    first, *rest = capsys.readouterr().out.splitlines()
    answer = ThermalClassifier(path).classify(np.full((16, 12, 18), 22, dtype=np.float32))
    assert isinstance(answer, Answer)
    assert first == f"{answer.class_name} {answer.probability}"
    assert len(rest) == 6  # of 64 frames, every eighth from the 16th on
