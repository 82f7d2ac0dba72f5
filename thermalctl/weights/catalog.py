"""The pretrained weights that a model can start from: their names, files, accuracies and where they are published.

Everything here is MMAction2's own record (the `metafile.yml`, configurations and README of each family below its
`configs/recognition`); a test holds the two together.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import PurePath

from thermalctl.errors import WeightsError

#: Bytes of one float32 parameter; the published files hold little else.
_BYTES_PER_PARAMETER = 4
_PUBLISHER = "https://download.openmmlab.com/mmaction/v1.0/recognition"


@dataclass(frozen=True, kw_only=True)
class PretrainedWeights:
    """One entry of the catalog.

    Attributes:
        name: what the user calls it.
        mmaction2_name: what MMAction2 calls the model and its configuration.
        architecture: the network, in words.
        num_frames: of a clip that it was trained on.
        frame_interval: each how many-th frame of the video the clip has; None where they are spread over all of it.
        input_size: height and width of its frames, pixels.
        kinetics400_top1: top-1 accuracy on Kinetics-400's validation set, percent.
        num_parameters: of the whole network with its Kinetics-400 head.
        folder_url: the folder that it is published in.
        file_names: the names that the file goes by, the one to try first first.
        config: the shipped configuration that starts from it, None if there is none.
    """

    name: str
    mmaction2_name: str
    architecture: str
    num_frames: int
    frame_interval: int | None
    input_size: tuple[int, int]
    kinetics400_top1: float
    num_parameters: int
    folder_url: str
    file_names: tuple[str, ...]
    config: str | None = None

    @property
    def sha256_prefix(self) -> str:
        """The first eight hexadecimal digits of the file's SHA-256, which end every published name."""
        return self.file_names[0].removesuffix(".pth")[-8:]

    @property
    def approximate_size(self) -> int:
        """About how many bytes the file has: its parameters in float32."""
        return self.num_parameters * _BYTES_PER_PARAMETER

    @property
    def input(self) -> str:
        """What it was trained on, as "32x2, 224x224": 32 frames, every second one, of 224x224 pixels."""
        height, width = self.input_size
        frames = f"{self.num_frames}x{self.frame_interval}" if self.frame_interval else f"{self.num_frames} spread"
        return f"{frames}, {height}x{width}"

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the file is published, one address for each name."""
        return tuple(f"{self.folder_url}/{file_name}" for file_name in self.file_names)


CATALOG = (
    PretrainedWeights(
        name="slowfast_r50_4x16_kinetics400",
        mmaction2_name="slowfast_r50_8xb8-4x16x1-256e_kinetics400-rgb",
        architecture="SlowFast R50",
        num_frames=32,
        frame_interval=2,
        input_size=(224, 224),
        kinetics400_top1=75.55,
        num_parameters=34_500_000,
        folder_url=f"{_PUBLISHER}/slowfast/slowfast_r50_8xb8-4x16x1-256e_kinetics400-rgb",
        file_names=("slowfast_r50_8xb8-4x16x1-256e_kinetics400-rgb_20220901-701b0f6f.pth",),
        config="slowfast-r50",
    ),
    PretrainedWeights(
        name="slowfast_r50_8x8_kinetics400",
        mmaction2_name="slowfast_r50_8xb8-8x8x1-256e_kinetics400-rgb",
        architecture="SlowFast R50",
        num_frames=32,
        frame_interval=2,
        input_size=(224, 224),
        kinetics400_top1=76.80,
        num_parameters=34_600_000,
        folder_url=f"{_PUBLISHER}/slowfast/slowfast_r50_8xb8-8x8x1-256e_kinetics400-rgb",
        file_names=("slowfast_r50_8xb8-8x8x1-256e_kinetics400-rgb_20220818-1cb6dfc8.pth",),
        config="slowfast-r50-8x8",
    ),
    PretrainedWeights(
        name="slowfast_r101_8x8_kinetics400",
        mmaction2_name="slowfast_r101_8xb8-8x8x1-256e_kinetics400-rgb",
        architecture="SlowFast R101",
        num_frames=32,
        frame_interval=2,
        input_size=(224, 224),
        kinetics400_top1=78.65,
        num_parameters=62_900_000,
        folder_url=f"{_PUBLISHER}/slowfast/slowfast_r101_8xb8-8x8x1-256e_kinetics400-rgb",
        # One file under two dates: MMAction2's README links the first, its metafile the second.
        file_names=(
            "slowfast_r101_8xb8-8x8x1-256e_kinetics400-rgb_20220818-9c0e09bd.pth",
            "slowfast_r101_8xb8-8x8x1-256e_kinetics400-rgb_20220901-9c0e09bd.pth",
        ),
        config="slowfast-r101",
    ),
    PretrainedWeights(
        name="slowonly_r50_4x16_kinetics400",
        mmaction2_name="slowonly_r50_8xb16-4x16x1-256e_kinetics400-rgb",
        architecture="SlowOnly R50",
        num_frames=4,
        frame_interval=16,
        input_size=(224, 224),
        kinetics400_top1=72.68,
        num_parameters=32_450_000,
        folder_url=f"{_PUBLISHER}/slowonly/slowonly_r50_8xb16-4x16x1-256e_kinetics400-rgb",
        # Published under its name of MMAction2 0.x, in the folder of its new one.
        file_names=("slowonly_r50_4x16x1_256e_8xb16_kinetics400-rgb_20220901-f6a40d08.pth",),
    ),
    PretrainedWeights(
        name="slowonly_r50_8x8_kinetics400",
        mmaction2_name="slowonly_r50_8xb16-8x8x1-256e_kinetics400-rgb",
        architecture="SlowOnly R50",
        num_frames=8,
        frame_interval=8,
        input_size=(224, 224),
        kinetics400_top1=74.82,
        num_parameters=32_450_000,
        folder_url=f"{_PUBLISHER}/slowonly/slowonly_r50_8xb16-8x8x1-256e_kinetics400-rgb",
        file_names=("slowonly_r50_8xb16-8x8x1-256e_kinetics400-rgb_20220901-2132fc87.pth",),
        config="slowonly-r50",
    ),
    PretrainedWeights(
        name="x3d_s_13x6_kinetics400",
        mmaction2_name="x3d_s_13x6x1_facebook-kinetics400-rgb",
        architecture="X3D-S",
        num_frames=13,
        frame_interval=6,
        input_size=(160, 160),
        kinetics400_top1=73.3,
        num_parameters=3_794_322,
        folder_url=f"{_PUBLISHER}/x3d/facebook",
        file_names=("x3d_s_13x6x1_facebook-kinetics400-rgb_20201027-623825a0.pth",),
        config="x3d-s",
    ),
    PretrainedWeights(
        name="tsm_r50_1x1x8_kinetics400",
        mmaction2_name="tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_kinetics400-rgb",
        architecture="TSM R50",
        num_frames=8,
        frame_interval=None,
        input_size=(224, 224),
        kinetics400_top1=73.18,
        num_parameters=23_870_000,
        folder_url=f"{_PUBLISHER}/tsm/tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_kinetics400-rgb",
        file_names=("tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_kinetics400-rgb_20220831-64d69186.pth",),
        config="tsm-r50",
    ),
    PretrainedWeights(
        name="uniformer_s_16x4_kinetics400",
        mmaction2_name="uniformer-small_imagenet1k-pre_16x4x1_kinetics400-rgb",
        architecture="UniFormer-S",
        num_frames=16,
        frame_interval=4,
        input_size=(224, 224),
        kinetics400_top1=80.9,
        num_parameters=21_400_400,
        folder_url=f"{_PUBLISHER}/uniformerv1",
        file_names=("uniformer-small_imagenet1k-pre_16x4x1_kinetics400-rgb_20221219-c630a037.pth",),
        config="uniformer-s",
    ),
)

#: What `train` starts from and `download-weights` fetches when nothing else is named.
DEFAULT_WEIGHTS = CATALOG[0].name


def find_entry(name: str) -> PretrainedWeights | None:
    """Return the catalog's entry of that name, ours or MMAction2's (with or without `.py`), or None."""
    plain = PurePath(name).stem if name.endswith(".py") else name
    return next((entry for entry in CATALOG if plain in (entry.name, entry.mmaction2_name)), None)


def get_entry(name: str) -> PretrainedWeights:
    """Return the catalog's entry of that name, which may also be its file's.

    Raises:
        WeightsError: if there is none.
    """
    entry = find_entry(name) or find_entry_of_file(PurePath(name).name)
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
    if not name:
        return ""
    names = {known: entry.name for entry in CATALOG for known in (entry.name, entry.mmaction2_name)}
    # "slowfst_r50" is like the beginning of a name, and too short to be like the whole of it.
    names |= {known[: len(name)]: meant for known, meant in reversed(names.items())}
    begun = [known for known in names if known.startswith(name.lower())]
    close = begun or difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    return f" Is {names[close[0]]} meant?" if close else ""


def list_names() -> str:
    """Return the catalog's names in one line."""
    return ", ".join(entry.name for entry in CATALOG)
