"""The finetuning guide's dataset class, for MMAction2's stock pipelines.

A user's own MMAction2 config (`type="ThermalHDF5Dataset"`, `Resize`, `RandomResizedCrop`, `Flip`, ...) runs unchanged
with it, and it is the stock side of the benchmark. Training with thermalctl's own configs reads `ClipDataset` instead:
this one quantises to 8 bits, triples the channel and does not repair frames, because the guide's does so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from thermalctl.annotations.coco import AnnotationFile, read_annotations
from thermalctl.clip_spec import ClipSpec
from thermalctl.compat import prepare_mmaction
from thermalctl.dataset.checks import find_keyframe_problems, read_recording_info
from thermalctl.dataset.class_balance import inverse_weights
from thermalctl.dataset.layout import DatasetLayout
from thermalctl.dataset.samples import choose_frame_label, clip_indices
from thermalctl.errors import DatasetError, RequestError, summarise_problems
from thermalctl.recordings.pool import RecordingPool

prepare_mmaction()

from mmaction.datasets import BaseActionDataset  # noqa: E402
from mmaction.registry import DATASETS  # noqa: E402

logger = logging.getLogger(__name__)


class ThermalHDF5Dataset(BaseActionDataset):
    """Clips around annotated keyframes as 8-bit pictures, one item for each keyframe.

    An item, before its pipeline, is

        imgs         (frame_window, H, W, 3) uint8, 255 * (T - low) / (high - low), clipped, rounded towards zero
        label        class id: the most frequent one of the people in the keyframe, ties to the lowest
        img_shape, original_shape, num_clips, clip_len, total_frames, frame_inds, modality, start_index
                     as MMAction2's decoders leave them
        sample_id, sensor_id, frame_idx, timestamp
                     which keyframe it is; the timestamp in ms since 1970

    Args:
        ann_file: COCO-style annotation file, below `data_root` if it is relative.
        data_prefix: {"hdf5": the folder of recordings}, likewise.
        pipeline: MMAction2 transforms.
        frame_window: consecutive frames in a clip; the keyframe is at index frame_window // 2.
        test_mode: as in MMEngine.
        temperature_range_c: (low, high) deg C, mapped to 0 and 255.
        frame_cache_mib: memory for decoded recordings, in MiB; 0 to decode each clip anew.
        **kwargs: what MMEngine's `BaseDataset` takes: `data_root`, `metainfo`, `indices`, `lazy_init`, ...

    Raises:
        DatasetError: if the annotation file and the recordings contradict each other.
        RecordingError: if a recording is missing or damaged.
    """

    def __init__(
        self,
        ann_file: str | Path,
        data_prefix: Mapping[str, str | Path],
        pipeline: Sequence[Mapping[str, Any] | Callable[..., Any]] = (),
        frame_window: int = 64,
        test_mode: bool = False,
        temperature_range_c: tuple[float, float] = ClipSpec.temperature_range_c,
        frame_cache_mib: int = 0,
        **kwargs: Any,
    ) -> None:
        if set(data_prefix) != {"hdf5"}:
            raise RequestError(
                f'ThermalHDF5Dataset: data_prefix has {sorted(data_prefix)}, expected the one key "hdf5"',
                hint='data_prefix=dict(hdf5="thermal_action_dataset/frames")',
            )
        self.frame_window = frame_window
        self.temperature_range_c = temperature_range_c
        super().__init__(
            str(ann_file),
            pipeline=list(pipeline),
            data_prefix={"hdf5": str(data_prefix["hdf5"])},
            test_mode=test_mode,
            **kwargs,
        )
        self._recordings = RecordingPool(Path(self.data_prefix["hdf5"]), held_bytes=frame_cache_mib * 2**20)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return the keyframes of the annotation file, in its order, without their frames."""
        annotations = read_annotations(Path(self.ann_file))
        self._metainfo.setdefault("classes", annotations.classes)
        num_frames = _check_keyframes(annotations, Path(self.data_prefix["hdf5"]))
        people_of = annotations.group_by_image()
        return [
            {
                "sample_id": image.id,
                "sensor_id": image.sensor_id,
                "frame_idx": image.frame_idx,
                "timestamp": image.timestamp_ms,
                "label": choose_frame_label(people_of[image.id]),
                "total_frames": num_frames[image.sensor_id],
            }
            for image in annotations.images
        ]

    @property
    def sample_ids(self) -> list[str]:
        """The ids of the keyframes, in order."""
        return [self.get_data_info(index)["sample_id"] for index in range(len(self))]

    def prepare_data(self, idx: int) -> Any:
        """Return the item with its frames read, after the pipeline."""
        item = self.get_data_info(idx)
        indices = clip_indices(item["frame_idx"], self.frame_window, item["total_frames"])
        frames = quantise(self._recordings.read(item["sensor_id"], indices), self.temperature_range_c)
        size = frames.shape[1:]
        item.update(
            imgs=np.repeat(frames[..., None], 3, axis=-1),
            img_shape=size,
            original_shape=size,
            num_clips=1,
            clip_len=self.frame_window,
            frame_inds=indices,
        )
        return self.pipeline(item)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the item's class id in a list, as MMEngine's `ClassBalancedDataset` asks for it."""
        return [self.get_data_info(idx)["label"]]

    def close(self) -> None:
        """Close the recordings that were opened; reading an item opens them again."""
        self._recordings.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def quantise(frames_c: NDArray[np.float32], temperature_range_c: tuple[float, float]) -> NDArray[np.uint8]:
    """Return temperatures as 8-bit levels: 255 * (T - low) / (high - low), clipped, rounded towards zero.

    In double precision, so that the level is that of the formula; a pixel that is not a number becomes 0.

    Args:
        frames_c: any shape, deg C.
        temperature_range_c: (low, high) deg C.
    """
    low, high = temperature_range_c
    clipped = np.fmin(np.fmax(frames_c.astype(np.float64), low), high)
    return (255 * (clipped - low) / (high - low)).astype(np.uint8)


def get_class_weights(ann_file: str | Path) -> list[float]:
    """Return the guide's loss weights by class id: total / (K * count), an unseen class counted as 1.

    Raises:
        DatasetError: if the file is no annotation file.
    """
    annotations = read_annotations(Path(ann_file))
    labels = [choose_frame_label(people) for people in annotations.group_by_image().values()]
    weights: list[float] = inverse_weights(np.bincount(labels, minlength=len(annotations.classes))).tolist()
    return weights


def _check_keyframes(annotations: AnnotationFile, frames_dir: Path) -> dict[str, int]:
    """Return the number of frames of each recording that is annotated."""
    names = dict.fromkeys(image.sensor_id for image in annotations.images)
    recordings = {name: read_recording_info(frames_dir / f"{name}.h5") for name in names}
    problems = find_keyframe_problems(annotations, recordings, DatasetLayout(frames_dir.parent))
    if problems:
        raise DatasetError(summarise_problems(problems), hint="mend the annotation file, or build the dataset again")
    return {name: recording.num_frames for name, recording in recordings.items()}


def _register() -> None:
    """Give the class its name in MMAction2's registry, unless the user's own MMAction2 has one of that name."""
    held = DATASETS.module_dict.get(ThermalHDF5Dataset.__name__)
    if held is None:
        DATASETS.register_module(module=ThermalHDF5Dataset)
    elif held is not ThermalHDF5Dataset:
        logger.warning(
            'type="ThermalHDF5Dataset" means %s.%s, which was registered first; thermalctl\'s own is type="%s.%s"',
            held.__module__,
            held.__qualname__,
            ThermalHDF5Dataset.__module__,
            ThermalHDF5Dataset.__qualname__,
        )


_register()
