"""The pretrained weights that a model can start from: their names, files, accuracies and where they are published.

Everything here is MMAction2's own record (its `configs/recognition/slowfast/metafile.yml` and README); a test holds the
two together.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from thermalctl.errors import WeightsError

#: Bytes of one float32 parameter; the published files hold little else.
_BYTES_PER_PARAMETER = 4
_SLOWFAST_URL = "https://download.openmmlab.com/mmaction/v1.0/recognition/slowfast"


@dataclass(frozen=True, kw_only=True)
class PretrainedWeights:
    """One entry of the catalog.

    Attributes:
        name: what the user calls it.
        architecture: the network, in words.
        clip: what it was trained on: "8 slow + 32 fast frames, 224x224".
        kinetics400_top1: top-1 accuracy on Kinetics-400's validation set, percent.
        num_parameters: of the whole network with its Kinetics-400 head.
        folder_url: the folder that it is published in.
        file_names: the names that the file goes by, the one to try first first.
    """

    name: str
    architecture: str
    clip: str
    kinetics400_top1: float
    num_parameters: int
    folder_url: str
    file_names: tuple[str, ...]

    @property
    def sha256_prefix(self) -> str:
        """The first eight hexadecimal digits of the file's SHA-256, which end every published name."""
        return self.file_names[0].removesuffix(".pth")[-8:]

    @property
    def approximate_size(self) -> int:
        """About how many bytes the file has: its parameters in float32."""
        return self.num_parameters * _BYTES_PER_PARAMETER

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the file is published, one address for each name."""
        return tuple(f"{self.folder_url}/{file_name}" for file_name in self.file_names)


CATALOG = (
    PretrainedWeights(
        name="slowfast_r50_4x16_kinetics400",
        architecture="SlowFast R50",
        clip="4 slow + 32 fast frames, 224x224",
        kinetics400_top1=75.55,
        num_parameters=34_500_000,
        folder_url=f"{_SLOWFAST_URL}/slowfast_r50_8xb8-4x16x1-256e_kinetics400-rgb",
        file_names=("slowfast_r50_8xb8-4x16x1-256e_kinetics400-rgb_20220901-701b0f6f.pth",),
    ),
    PretrainedWeights(
        name="slowfast_r50_8x8_kinetics400",
        architecture="SlowFast R50",
        clip="8 slow + 32 fast frames, 224x224",
        kinetics400_top1=76.80,
        num_parameters=34_600_000,
        folder_url=f"{_SLOWFAST_URL}/slowfast_r50_8xb8-8x8x1-256e_kinetics400-rgb",
        file_names=("slowfast_r50_8xb8-8x8x1-256e_kinetics400-rgb_20220818-1cb6dfc8.pth",),
    ),
    PretrainedWeights(
        name="slowfast_r101_8x8_kinetics400",
        architecture="SlowFast R101",
        clip="8 slow + 32 fast frames, 224x224",
        kinetics400_top1=78.65,
        num_parameters=62_900_000,
        folder_url=f"{_SLOWFAST_URL}/slowfast_r101_8xb8-8x8x1-256e_kinetics400-rgb",
        # One file under two dates: MMAction2's README links the first, its metafile the second.
        file_names=(
            "slowfast_r101_8xb8-8x8x1-256e_kinetics400-rgb_20220818-9c0e09bd.pth",
            "slowfast_r101_8xb8-8x8x1-256e_kinetics400-rgb_20220901-9c0e09bd.pth",
        ),
    ),
)

#: What `train` starts from and `download-weights` fetches when nothing else is named.
DEFAULT_WEIGHTS = CATALOG[0].name


def find_entry(name: str) -> PretrainedWeights | None:
    """Return the catalog's entry of that name, or None."""
    return next((entry for entry in CATALOG if entry.name == name), None)


def get_entry(name: str) -> PretrainedWeights:
    """Return the catalog's entry of that name.

    Raises:
        WeightsError: if there is none.
    """
    entry = find_entry(name)
    if entry is None:
        raise WeightsError(f'"{name}" is not in the catalog.{suggest_name(name)}', hint=f"there are: {list_names()}")
    return entry


def find_entry_of_file(file_name: str) -> PretrainedWeights | None:
    """Return the entry that is published under this file name, or None."""
    return next((entry for entry in CATALOG if file_name in entry.file_names), None)


def find_entry_of_content(sha256: str) -> PretrainedWeights | None:
    """Return the entry whose file has this SHA-256, or None."""
    return next((entry for entry in CATALOG if sha256.startswith(entry.sha256_prefix)), None)


def suggest_name(name: str) -> str:
    """Return " Is NAME meant?" for the catalog's name that begins with `name` or is most like it, or "" if none is."""
    names = [entry.name for entry in CATALOG]
    begun = [known for known in names if known.startswith(name.lower())]
    close = begun or difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    return f" Is {close[0]} meant?" if close else ""


def list_names() -> str:
    """Return the catalog's names in one line."""
    return ", ".join(entry.name for entry in CATALOG)
