"""Each known break, planted in an environment of its own: the doctor names it, and its fix mends it as it is printed.

An environment is a new virtual environment in front of this one: what lies in its own site-packages is found first,
and what is hidden is not there at all, its metadata included. pip leaves the packages behind it alone.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import venv
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from thermalctl.environment.breaks import KNOWN_BREAKS
from thermalctl.environment.packages import check_stack_import
from thermalctl.environment.probe import ProbeResult, find_exception

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="plants what breaks on Linux")]

INSTALLED = Path(sysconfig.get_path("purelib"))
OPENCV = ("opencv-python", "opencv-contrib-python")

#: Runs one check as the doctor does, and no other.
ASK = """
import dataclasses, json, sys, tempfile
from pathlib import Path
from thermalctl.environment.accelerator import Driver, check_torch
from thermalctl.environment.hdf5 import check_hdf5
from thermalctl.environment.packages import *
from thermalctl.environment.probe import ProbeResult, run_probe
check = {
    "stack": lambda: check_stack_import(run_probe("stack"), Path()),
    "origins": lambda: check_stack_import(ProbeResult(), Path()),
    "versions": check_stack_versions,
    "numerics": check_numerics,
    "tensorboard": check_tensorboard,
    "torch": lambda: check_torch(run_probe("torch"), Driver()),
    "opencv": lambda: check_opencv(run_probe("opencv")),
    "hdf5": lambda: check_hdf5(run_probe("hdf5", tempfile.mkdtemp(dir=sys.prefix))),
    "onnx": lambda: check_onnx(run_probe("onnx")),
}[sys.argv[1]]()
print(json.dumps({name: getattr(check, name) for name in ("status", "found", "why", "fix")}))
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment to plant breaks in; its programs come first on PATH, as when it is activated."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def site(self) -> Path:
        [site] = self.folder.glob("lib/python*/site-packages")
        return site

    def run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        path = f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        clean["PIP_NO_COMPILE"] = "1"  # half of what an installation takes
        return subprocess.run(
            command, capture_output=True, text=True, cwd=cwd, env={**clean, "PATH": path, **self.variables}, check=False
        )

    def ask(self, check: str, *, cwd: Path | None = None, is_program: bool = False) -> dict[str, Any]:
        """Return what a check finds: run by `python -m`, which looks in the current folder first, or as a program."""
        first = f"import os, sys; sys.path[0] = {'sys.prefix' if is_program else 'os.getcwd()'}\n"
        done = self.run(str(self.python), "-c", first + ASK, check, cwd=cwd or self.folder)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def diagnose(self, *options: str, cwd: Path) -> tuple[int, dict[str, dict[str, Any]]]:
        """Return the exit code of the whole doctor, and its checks by name."""
        done = self.run(str(self.python), "-m", "thermalctl", "doctor", "--json", *options, cwd=cwd)
        assert "Traceback" not in done.stderr
        return done.returncode, {check["name"]: check for check in json.loads(done.stdout)["checks"]}

    def read_variable(self, name: str, *, after: str) -> str:
        """Return what a variable is in a shell in which a fix has been run."""
        return self.run("bash", "-c", f'{after}; printf %s "${name}"').stdout

    def mend(self, fix: str) -> None:
        """Run a fix exactly as it is printed."""
        done = self.run("bash", "-c", fix)
        assert done.returncode == 0, done.stderr

    def install(self, requirement: str) -> None:
        self.mend(f"python -m pip install --quiet --no-deps --only-binary :all: {requirement}")

    def plant(self, distribution: str, version: str, files: Mapping[str, str | bytes]) -> None:
        """Install a distribution of these files, so that pip can remove it."""
        for path, content in files.items():
            target = self.site / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.record(distribution, version, sorted(files))

    def plant_copy(
        self, module: str, distribution: str, version: str, *, also: Mapping[str, bytes] | None = None
    ) -> Path:
        """Install a copy of a package of this environment as another distribution or release; return its folder.

        Everything is copied, and not linked: pip writes where a link leads.
        """
        for folder in filter(Path.is_dir, (INSTALLED / module, INSTALLED / f"{module}.libs")):
            shutil.copytree(folder, self.site / folder.name)
        for path, content in (also or {}).items():
            (self.site / module / path).write_bytes(content)
        copied = [*(self.site / module).rglob("*"), *(self.site / f"{module}.libs").rglob("*")]
        self.record(distribution, version, [str(path.relative_to(self.site)) for path in copied if path.is_file()])
        return self.site / module

    def record(self, distribution: str, version: str, paths: Sequence[str] = ()) -> None:
        folder = f"{distribution.replace('-', '_')}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        written = {f"{folder}/METADATA": metadata, f"{folder}/INSTALLER": "pip\n"}
        written[f"{folder}/RECORD"] = "".join(f"{path},,\n" for path in (*paths, *written, f"{folder}/RECORD"))
        (self.site / folder).mkdir()
        for path, text in written.items():
            (self.site / path).write_text(text)


Plant = Callable[[Environment], None]


@pytest.fixture
def make_environment(tmp_path: Path) -> Iterator[Callable[..., Environment]]:
    """Yield what makes an environment without the distributions named; it goes with the test, for it may be large."""

    def make(*hidden: str) -> Environment:
        folder = tmp_path / "venv"
        venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
        behind = tmp_path / "behind"
        behind.mkdir()
        files = [file for name in hidden if is_installed(name) for file in importlib.metadata.files(name) or ()]
        gone = {file.parts[0] for file in files}
        for entry in INSTALLED.iterdir():
            if entry.name not in gone:
                (behind / entry.name).symlink_to(entry)
        environment = Environment(folder)
        (environment.site / "behind.pth").write_text(f"import site; site.addsitedir({str(behind)!r})\n")
        return environment

    yield make
    shutil.rmtree(tmp_path / "venv")


def is_installed(distribution: str) -> bool:
    return any(importlib.metadata.distributions(name=distribution))


@pytest.fixture(scope="module")
def _package_index() -> None:
    """What pip installs comes from the index that it is configured for; without one the fixes cannot be run."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "einops"]
    done = subprocess.run([*command, "--retries", "1"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no package index can be reached: {done.stderr.strip().splitlines()[-1]}")


# --- what is planted -------------------------------------------------------------------------------------------------


def raise_on_import(module: str, distribution: str, version: str, error: str) -> Plant:
    return lambda environment: environment.plant(distribution, version, {f"{module}/__init__.py": f"raise {error}\n"})


def install(requirement: str) -> Plant:
    return lambda environment: environment.install(requirement)


def plant_release(module: str, distribution: str, version: str) -> Plant:
    """A copy that says it is of another release."""

    def plant(environment: Environment) -> None:
        folder = environment.plant_copy(module, distribution, version)
        text, times = re.subn(
            r"(?m)^__version__ = .*", f"__version__ = {version!r}", (folder / "version.py").read_text()
        )
        assert times == 1
        (folder / "version.py").write_text(text)

    return plant


def plant_foreign_operators(environment: Environment) -> None:
    """mmcv whose compiled part is of another release: it lacks functions that this one asks for."""
    environment.plant_copy("mmcv", "mmcv", "2.1.0", also={"_ext.py": b""})


def plant_old_importer(environment: Environment) -> None:
    """ml_dtypes stands for a package from the time when every setuptools brought pkg_resources."""
    path = environment.plant_copy("ml_dtypes", "ml_dtypes", importlib.metadata.version("ml_dtypes")) / "__init__.py"
    path.write_text("import pkg_resources\n" + path.read_text())


def plant_torn_opencv(environment: Environment) -> None:
    """One of two wheels was removed, and the files of both with it."""
    environment.plant("opencv-contrib-python", "4.10.0.84", {"cv2/data/left.xml": ""})


def plant_two_opencvs(environment: Environment) -> None:
    environment.record("opencv-python", "4.9.0.80")
    environment.record("opencv-contrib-python", "4.10.0.84")


def plant_both_opencv_builds(environment: Environment) -> None:
    working = "import numpy\n__version__ = '4.10.0'\nresize = lambda image, size: numpy.zeros(size[::-1])\n"
    environment.plant("opencv-python", "4.10.0.84", {"cv2/__init__.py": working})
    environment.plant("opencv-python-headless", "4.10.0.84", {"cv2/__init__.py": working})


def cut_h5py(share: float) -> Plant:
    """A copy was broken off, or the disk was full."""

    def plant(environment: Environment) -> None:
        folder = environment.plant_copy("h5py", "h5py", importlib.metadata.version("h5py"))
        [library] = folder.glob("_errors*.so")
        library.write_bytes(library.read_bytes()[: int(share * library.stat().st_size)])

    return plant


def leave_empty_folder(module: str) -> Plant:
    """What an interrupted removal leaves."""
    return lambda environment: (environment.site / module / "left").mkdir(parents=True)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A break: what is hidden and planted, the check that must fail, with which words, and its status then."""

    hidden: Sequence[str] = ()
    plant: Plant = lambda environment: None
    check: str
    status: str = "failed"
    found: str
    why: str


FOREIGN = "mmcv's operators of another release"
CASES = {
    "mmaction absent": Case(
        hidden=["mmaction2"], check="stack", found="No module named 'mmaction'", why="mmaction is not installed"
    ),
    "mmaction2 absent by its metadata": Case(
        hidden=["mmaction2"], check="versions", found="mmengine 0.10.7, mmcv-lite 2.1.0", why="known to work together"
    ),
    "importlib_metadata half removed": Case(
        hidden=["importlib_metadata"],
        plant=leave_empty_folder("importlib_metadata"),
        check="stack",
        found="cannot import name 'PackageNotFoundError' from 'importlib_metadata'",
        why="importlib_metadata is not installed",
    ),
    "a dependency absent": Case(
        hidden=["ml_dtypes"],
        check="onnx",
        status="warning",
        found="No module named 'ml_dtypes'",
        why="ml_dtypes is not installed",
    ),
    "pkg_resources wanted by an old package": Case(
        hidden=["setuptools", "ml_dtypes"],
        plant=plant_old_importer,
        check="onnx",
        status="warning",
        found="No module named 'pkg_resources'",
        why="setuptools 82 dropped it",
    ),
    "mmcv too new": Case(
        hidden=["mmcv-lite"],
        plant=plant_release("mmcv", "mmcv", "2.2.0"),
        check="stack",
        found="MMCV==2.2.0 is used but incompatible",
        why="refuses mmcv 2.2.0",
    ),
    "mmcv-lite too new by its metadata": Case(
        hidden=["mmcv-lite"],
        plant=lambda environment: environment.record("mmcv-lite", "2.2.0"),
        check="versions",
        found="mmcv-lite 2.2.0",
        why="known to work together: mmaction2 1.2.0, mmengine 0.10.7, mmcv-lite 2.1.0",
    ),
    "mmcv too new and mmengine too old by their metadata": Case(
        hidden=["mmcv-lite", "mmengine"],
        plant=lambda environment: [environment.record("mmcv", "2.2.0"), environment.record("mmengine", "0.10.5")],
        check="versions",
        found="mmengine 0.10.5, mmcv 2.2.0",
        why="known to work together",
    ),
    "mmengine too new": Case(
        hidden=["mmengine"],
        plant=plant_release("mmengine", "mmengine", "1.0.0"),
        check="stack",
        found="MMEngine==1.0.0 is used but incompatible",
        why="refuses mmengine 1.0.0",
    ),
    FOREIGN: Case(
        hidden=["mmcv-lite"],
        plant=plant_foreign_operators,
        check="stack",
        found="miss in module _ext",
        why="nothing here needs them",
    ),
    "torch absent": Case(
        hidden=["torch"], check="torch", found="No module named 'torch'", why="torch is not installed"
    ),
    "torch's CUDA libraries absent": Case(
        hidden=["torch"],
        plant=raise_on_import(
            "torch",
            "torch",
            "2.13.0",
            "ImportError('libcudnn.so.9: cannot open shared object file: No such file or directory')",
        ),
        check="torch",
        found="libcudnn.so.9: cannot open shared object file",
        why="CUDA libraries (libcudnn) are missing",
    ),
    "a system library absent": Case(
        hidden=OPENCV,
        plant=raise_on_import(
            "cv2",
            "opencv-python",
            "4.10.0.84",
            "ImportError('libGL.so.1: cannot open shared object file: No such file or directory')",
        ),
        check="opencv",
        found="libGL.so.1: cannot open shared object file",
        why="the system's libGL.so.1",
    ),
    "OpenCV torn": Case(
        hidden=OPENCV,
        plant=plant_torn_opencv,
        check="opencv",
        found="module 'cv2' has no attribute 'resize'",
        why="removing one damages the others",
    ),
    "OpenCV of two releases": Case(
        plant=plant_two_opencvs,
        check="opencv",
        status="warning",
        found="opencv-python 4.9.0.80, opencv-contrib-python 4.10.0.84",
        why="its files are mixed",
    ),
    "OpenCV with and without windows": Case(
        hidden=OPENCV,
        plant=plant_both_opencv_builds,
        check="opencv",
        status="warning",
        found="opencv-python-headless",
        why="with and without windows",
    ),
    "OpenCV compiled for numpy 1": Case(
        hidden=OPENCV,
        plant=raise_on_import(  # as opencv-python 4.9.0.80 does; it takes too long to install
            "cv2", "opencv-python", "4.9.0.80", "ImportError('numpy.core.multiarray failed to import')"
        ),
        check="opencv",
        found="numpy.core.multiarray failed to import",
        why="compiled for numpy 1",
    ),
    "h5py compiled for numpy 1": Case(
        plant=install("h5py==3.10.0"),
        check="hdf5",
        found="numpy.dtype size changed",
        why="compiled for another numpy",
    ),
    "h5py empty": Case(
        hidden=["h5py"],
        plant=cut_h5py(0.0),
        check="hdf5",
        found=f"site-packages/h5py/_errors{sysconfig.get_config_var('EXT_SUFFIX')}: file too short",
        why="a file of h5py is cut short",
    ),
    "h5py cut in half": Case(hidden=["h5py"], plant=cut_h5py(0.5), check="hdf5", found="killed by SIGBUS", why=""),
    "h5py absent": Case(hidden=["h5py"], check="hdf5", found="No module named 'h5py'", why="h5py is not installed"),
    "matplotlib absent": Case(
        hidden=["matplotlib"], check="numerics", found="matplotlib missing", why="needed by test and report"
    ),
    "numpy too old for the stack": Case(
        plant=install("numpy==1.24.4"),
        check="onnx",
        status="warning",
        found="module 'numpy' has no attribute 'exceptions'",
        why="numpy is older than the packages that use it",
    ),
    "protobuf too old": Case(
        plant=install("protobuf==4.25.3"),
        check="onnx",
        status="warning",
        found="cannot import name 'runtime_version' from 'google.protobuf'",
        why="protobuf is older than the packages that use it",
    ),
    "protobuf too old for TensorBoard": Case(
        plant=lambda environment: environment.record("protobuf", "4.25.3"),
        check="tensorboard",
        found="needs protobuf",
        why="TensorboardVisBackend",
    ),
    "a dependency of TensorBoard absent": Case(
        hidden=["packaging"],
        check="tensorboard",
        status="warning",
        found="needs packaging",
        why="train writes them all the same",
    ),
    "onnxruntime absent": Case(
        hidden=["onnxruntime"],
        check="onnx",
        status="warning",
        found="No module named 'onnxruntime'",
        why="onnxruntime is not installed; export-onnx and predict need onnx and onnxruntime; train does not",
    ),
    "tensorboard absent": Case(
        hidden=["tensorboard"],
        check="tensorboard",
        found="tensorboard is not installed",
        why="(TensorboardVisBackend); train does without if told --cfg-options visualizer.vis_backends=[]",
    ),
}

#: numpy 1.24 was never built for Python 3.12.
TOO_OLD_FOR_PYTHON_3_12 = {"numpy too old for the stack"} if sys.version_info >= (3, 12) else set()


def test_each_known_break_is_planted_by_some_case() -> None:
    told = {
        next((known for known in KNOWN_BREAKS if re.search(known.pattern, case.found)), None) for case in CASES.values()
    }

    assert set(KNOWN_BREAKS) <= told


#: Each of these stops the import, which takes seconds; so they are planted and mended in one environment.
CHAINED = [name for name, case in CASES.items() if case.check == "stack" and name not in ("mmaction absent", FOREIGN)]


@pytest.mark.usefixtures("_package_index")
@pytest.mark.parametrize("name", [name for name in CASES if name not in CHAINED])
def test_planted_break_is_named_and_its_fix_mends_it(
    name: str, make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    if name in TOO_OLD_FOR_PYTHON_3_12:
        pytest.skip("cannot be planted in this Python")
    case = CASES[name]
    environment = make_environment(*case.hidden)
    case.plant(environment)

    broken = environment.ask(case.check)

    assert broken["status"] == case.status
    assert case.found in broken["found"]
    assert case.why in broken["why"]
    if case.check == "torch":
        environment.variables.update(offer_stand_in_torch(tmp_path))
    environment.mend(broken["fix"])
    mended = environment.ask(case.check)
    assert mended["status"] == "ok", mended


@pytest.mark.usefixtures("_package_index")
def test_breaks_behind_each_other_are_named_and_mended_one_by_one(make_environment: Callable[..., Environment]) -> None:
    cases = {name: CASES[name] for name in CHAINED}
    environment = make_environment(*{hidden for case in cases.values() for hidden in case.hidden})
    for case in cases.values():
        case.plant(environment)

    while (check := environment.ask("stack"))["status"] != "ok":
        told = [name for name, case in cases.items() if case.found in check["found"] and case.why in check["why"]]
        assert len(told) == 1, check
        del cases[told[0]]  # told twice, it would not be found
        environment.mend(check["fix"])

    assert not cases


def offer_stand_in_torch(folder: Path) -> dict[str, str]:
    """Return pip's settings for an index that holds nothing but a torch of a few lines.

    The real one is gigabytes; but its fix is run as it is printed.
    """
    source = """
        __version__ = "2.13.0+cpu"
        class version: cuda = None
        class cuda:
            is_available = staticmethod(lambda: False)
            device_count = staticmethod(lambda: 0)
    """
    info = "torch-2.13.0+cpu.dist-info"
    files = {
        "torch/__init__.py": textwrap.dedent(source),
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0+cpu\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / "torch-2.13.0+cpu-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}


# --- what stands in front of the installed packages ------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone of MMAction2 whose last build left the metadata of an older release."""
    folder = tmp_path / "clone"
    plant_module(folder, "mmaction/__init__.py")
    (folder / "mmaction2.egg-info").mkdir()
    (folder / "mmaction2.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: mmaction2\nVersion: 0.24.0\n")
    return folder


def plant_module(folder: Path, path: str) -> None:
    (folder / path).parent.mkdir(parents=True)
    (folder / path).write_text("__version__ = '0.24.0'\n")


def test_checkout_on_python_path_is_named_and_the_fix_takes_it_out(
    checkout: Path, make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    environment = make_environment()
    plant_module(tmp_path / "other", "unrelated.py")
    environment.variables["PYTHONPATH"] = f"{tmp_path / 'other'}:{checkout}"

    imported = environment.ask("origins")
    versions = environment.ask("versions")

    assert imported["status"] == "warning"
    assert imported["found"] == f"mmaction is imported from {checkout / 'mmaction'}"
    assert imported["fix"] == versions["fix"] == f"export PYTHONPATH={tmp_path / 'other'}"
    assert (versions["status"], versions["found"]) == (
        "failed",
        "mmaction2 0.24.0, mmengine 0.10.7, mmcv-lite 2.1.0",
    )
    environment.variables["PYTHONPATH"] = environment.read_variable("PYTHONPATH", after=imported["fix"])
    assert environment.ask("origins")["status"] == environment.ask("versions")["status"] == "ok"


def test_checkout_that_is_alone_on_python_path_is_taken_out_with_it(
    checkout: Path, make_environment: Callable[..., Environment]
) -> None:
    environment = make_environment()
    environment.variables["PYTHONPATH"] = str(checkout)

    fix = environment.ask("origins")["fix"]

    assert fix == "unset PYTHONPATH"
    assert environment.read_variable("PYTHONPATH", after=fix) == ""


@pytest.mark.parametrize("module", ["mmaction", "mmengine", "mmcv"])
def test_checkout_in_the_current_folder_is_named_and_another_folder_mends_it(
    module: str, make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    environment = make_environment()
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    plant_module(here, f"{module}/__init__.py")
    elsewhere.mkdir()

    by_module = environment.ask("origins", cwd=here)
    by_program = environment.ask("origins", cwd=here, is_program=True)

    assert by_module["status"] == by_program["status"] == "warning"
    assert by_module["found"] == f"{module} is imported from {here / module}"
    assert by_program["found"] == f"imports; but the current folder holds {module}"
    assert by_module["fix"] == by_program["fix"] == "run from another folder"
    assert environment.ask("origins", cwd=elsewhere)["status"] == "ok"


def test_editable_installation_is_legitimate_and_told(
    checkout: Path, make_environment: Callable[..., Environment]
) -> None:
    environment = make_environment("mmaction2")
    (environment.site / "__editable__.mmaction2.pth").write_text(f"{checkout}\n")
    environment.record("mmaction2", "1.2.0")
    url = {"url": checkout.as_uri(), "dir_info": {"editable": True}}
    (environment.site / "mmaction2-1.2.0.dist-info" / "direct_url.json").write_text(json.dumps(url))

    from_elsewhere, from_within = environment.ask("origins"), environment.ask("origins", cwd=checkout)

    for check in (from_elsewhere, from_within):
        assert check["status"] == "ok"
        assert check["found"].endswith(f"from the editable installation {checkout}")


def test_folder_without_init_does_not_hide_the_installed_package(
    make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    environment = make_environment()
    (tmp_path / "mmaction").mkdir()

    assert environment.ask("origins", cwd=tmp_path)["status"] == "ok"


@pytest.mark.parametrize(
    ("path", "check", "name"),
    [("torch.py", "torch", "torch.py"), ("numpy/__init__.py", "opencv", "numpy"), ("cv2.py", "opencv", "cv2.py")],
)
def test_file_of_the_name_of_a_package_is_named_when_an_import_finds_it(
    path: str, check: str, name: str, make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    environment = make_environment()
    here = tmp_path / "here"
    plant_module(here, path)

    told = environment.ask(check, cwd=here)

    assert told["status"] == "failed"
    assert told["why"] == f"{here / name} stands in front of the installed {name.removesuffix('.py')}"
    assert told["fix"] == "run from another folder"


# --- operators, locks, and the whole doctor --------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.usefixtures("_package_index")
def test_operators_compiled_for_another_torch_are_named_and_the_fix_removes_them(
    make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    environment = make_environment("mmcv-lite")
    compile_library(
        tmp_path / "_ext.so", "extern int gone_with_torch(void); int PyInit__ext(void) { return gone_with_torch(); }"
    )
    environment.plant_copy("mmcv", "mmcv", "2.1.0", also={"_ext.so": (tmp_path / "_ext.so").read_bytes()})

    done = environment.run(str(environment.python), "-c", "import mmcv.ops")
    error = find_exception(done.stderr)
    assert error is not None
    assert "_ext.so: undefined symbol: gone_with_torch" in error
    check = check_stack_import(ProbeResult(facts={"operators_error": error}), Path())
    assert check.status == "failed"
    assert "nothing here needs them" in check.why
    assert check.fix is not None
    environment.mend(check.fix)

    versions = environment.ask("versions")
    assert (versions["status"], versions["found"]) == ("ok", "mmaction2 1.2.0, mmengine 0.10.7, mmcv-lite 2.1.0")
    assert not (environment.site / "mmcv" / "_ext.so").exists()


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_file_system_without_locks_is_named_and_its_fix_does_without(
    make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    environment = make_environment()
    compile_library(
        tmp_path / "nolock.so", "#include <errno.h>\nint flock(int f, int o) { errno = ENOLCK; return -1; }"
    )
    environment.variables["LD_PRELOAD"] = str(tmp_path / "nolock.so")

    broken = environment.ask("hdf5")

    assert broken["status"] == "warning"
    assert "unable to lock file" in broken["found"]
    assert broken["fix"] is not None
    variable = "HDF5_USE_FILE_LOCKING"
    environment.variables[variable] = environment.read_variable(variable, after=broken["fix"])
    assert environment.ask("hdf5")["status"] == "ok"


def compile_library(path: Path, source: str) -> None:
    command = ["cc", "-shared", "-fPIC", "-Wno-all", "-x", "c", "-o", str(path), "-"]
    subprocess.run(command, input=source, text=True, check=True, capture_output=True)


def test_whole_doctor_is_well_where_only_what_is_cured_is_missing(
    make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    environment = make_environment("importlib_metadata", "setuptools")

    _, checks = environment.diagnose(cwd=tmp_path)

    names = ("torch", "MMAction2 stack", "MMAction2 import", "numpy", "OpenCV", "h5py", "ONNX")
    assert {name: checks[name]["status"] for name in names} == dict.fromkeys(names, "ok")


def test_whole_doctor_names_all_that_is_missing_where_almost_nothing_is_installed(
    make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    hidden = ("torch", "mmaction2", "mmengine", "mmcv-lite", *OPENCV, "numpy", "scipy", "h5py", "onnx", "tensorboard")
    environment = make_environment(*hidden)

    exit_code, checks = environment.diagnose(cwd=tmp_path)

    assert exit_code == 1
    assert {name: (check["status"], check["found"]) for name, check in checks.items() if name in ABSENT} == ABSENT
    mended = [name for name, (status, _) in ABSENT.items() if status != "skipped"]
    assert all(checks[name]["fix"].startswith("python -m pip install ") for name in mended)


ABSENT = {
    "torch": ("failed", "ModuleNotFoundError: No module named 'torch'"),
    "MMAction2 stack": ("failed", "none is installed"),
    "MMAction2 import": ("failed", "ModuleNotFoundError: No module named 'mmengine'"),
    "OpenCV": ("failed", "ModuleNotFoundError: No module named 'numpy'"),
    "h5py": ("skipped", "fails as OpenCV does"),
    "ONNX": ("warning", "ModuleNotFoundError: No module named 'numpy'"),
    "TensorBoard": ("failed", "tensorboard is not installed"),
}


def test_whole_doctor_survives_what_raises_more_than_import_errors(
    make_environment: Callable[..., Environment], checkout: Path
) -> None:
    environment = make_environment("h5py")
    error = "ValueError('numpy.dtype size changed, may indicate binary incompatibility')"
    raise_on_import("h5py", "h5py", "3.10.0", error)(environment)

    exit_code, checks = environment.diagnose(cwd=checkout)

    assert exit_code == 1
    assert (checks["h5py"]["status"], checks["MMAction2 import"]["status"]) == ("failed", "failed")
    assert "compiled for another numpy" in checks["h5py"]["why"]
    assert checks["MMAction2 import"]["why"] == f"{checkout / 'mmaction'} stands in front of the installed mmaction"
    assert checks["MMAction2 stack"]["fix"] == "run from another folder"
