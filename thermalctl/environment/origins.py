"""Which copy of a package an import finds: the installed one, or a checkout or file that stands in front of it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

#: Modules that a checkout or a stray file is known to stand in front of, and the distributions that bring them.
PROVIDERS: Mapping[str, Sequence[str]] = {
    "mmaction": ("mmaction2",),
    "mmengine": ("mmengine",),
    "mmcv": ("mmcv-lite", "mmcv"),
    "torch": ("torch",),
    "numpy": ("numpy",),
    "cv2": ("opencv-python", "opencv-contrib-python", "opencv-python-headless", "opencv-contrib-python-headless"),
}
_ELSEWHERE = "run from another folder"


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """Something that is imported in place of an installed package.

    Attributes:
        module: the name that is imported.
        path: the folder or file that is found under it.
        fix: what lets the installed one be found.
    """

    module: str
    path: Path
    fix: str

    @property
    def why(self) -> str:
        """What it does, for a check."""
        return f"{self.path} stands in front of the installed {self.module}"


def find_shadow(module: str) -> Shadow | None:
    """Return what this process would import in place of the installed module of `PROVIDERS`; None if nothing."""
    spec = importlib.util.find_spec(module)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        path = Path(next(iter(spec.submodule_search_locations)))
    elif spec.origin is not None:
        path = Path(spec.origin)
    else:
        return None
    homes = list(_find_homes(PROVIDERS[module]))
    if any(_is_inside(path, home) for home in homes):
        return None
    is_here = _is_same(path.parent, Path())
    if not homes and not is_here:  # built from source, as OpenCV often is
        return None
    return Shadow(module=module, path=path, fix=_suggest_fix(path.parent))


def find_lurking(module: str, current_folder: Path) -> Shadow | None:
    """Return what `python -m` and torchrun, which begin their search in the current folder, would import from there.

    None where it is what is imported anyway, as in an editable installation's own folder.
    """
    folder = current_folder.resolve()
    for path in (folder / module / "__init__.py", folder / f"{module}.py"):
        if path.is_file() and not any(_is_inside(path, home) for home in _find_homes(PROVIDERS[module])):
            return Shadow(module=module, path=path.parent if path.name == "__init__.py" else path, fix=_ELSEWHERE)
    return None


def find_editable(distribution: str) -> Path | None:
    """Return the checkout that was installed with `pip install -e`; None for an ordinary installation."""
    checkouts = map(_find_checkout, importlib.metadata.distributions(name=distribution))
    return next(filter(None, checkouts), None)


def _find_homes(distributions: Sequence[str]) -> Iterator[Path]:
    """Yield the folders in which the distributions are installed.

    The metadata that a checkout on PYTHONPATH carries make it no installation where there is a real one.
    """
    roots = []
    for name in distributions:
        for installed in importlib.metadata.distributions(name=name):
            checkout = _find_checkout(installed)
            if checkout is not None:
                yield checkout
            else:
                roots.append(Path(str(installed.locate_file(""))))
    loose = [Path(), *_read_python_path()]
    real = [root for root in roots if not any(_is_same(root, other) for other in loose)]
    yield from real or roots


def _find_checkout(installed: importlib.metadata.Distribution) -> Path | None:
    # https://packaging.python.org/en/latest/specifications/direct-url
    text = installed.read_text("direct_url.json")
    origin = json.loads(text) if text else {}
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(url2pathname(urlsplit(origin["url"]).path))


def _suggest_fix(root: Path) -> str:
    entries = _read_python_path()
    if any(_is_same(root, entry) for entry in entries):
        kept = [str(entry) for entry in entries if not _is_same(root, entry)]
        return f"export PYTHONPATH={shlex.quote(os.pathsep.join(kept))}" if kept else "unset PYTHONPATH"
    return _ELSEWHERE if _is_same(root, Path()) else f"take {root} out of sys.path: a .pth file names it"


def _read_python_path() -> list[Path]:
    """Return the folders on PYTHONPATH; an empty entry is the current folder."""
    value = os.environ.get("PYTHONPATH")
    return [Path(entry) for entry in value.split(os.pathsep)] if value else []


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _is_inside(path: Path, home: Path) -> bool:
    return path.is_relative_to(home) or path.resolve().is_relative_to(home.resolve())
