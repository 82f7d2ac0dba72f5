"""Checkpoints that are whole or not there, and a folder that is never without one.

MMEngine 0.10.7 writes a checkpoint in place, so that a process killed meanwhile leaves half of one, and removes the one
before it first. Here each is written beside its place, synced and renamed, and what it replaces is removed after.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook

from thermalctl.engine.checkpoints import LAST_FILE, STEP_CHECKPOINTS, find_last
from thermalctl.engine.running.signals import StopRequest, TrainingInterrupted
from thermalctl.files import replace_file

#: Half-written checkpoints of processes that were killed; `replace_file` hides them so.
_LEFTOVERS = re.compile(r"\..+\.pth\..+\.pth")


class SafeCheckpointHook(CheckpointHook):
    """MMEngine's CheckpointHook in the order that loses nothing: write, point to it, remove the old ones.

    Args:
        options: of `CheckpointHook`.
    """

    def before_train(self, runner: Any) -> None:
        """Clear away what killed processes left half-written."""
        super().before_train(runner)
        if is_main_process():
            for path in Path(self.out_dir).glob(".*.pth"):
                if _LEFTOVERS.fullmatch(path.name):
                    path.unlink(missing_ok=True)

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict[str, Any]) -> None:
        outdated = []
        if self.max_keep_ckpts > 0 and not (self.keep_ckpt_ids and self.keep_ckpt_ids[-1] == step):
            kept = [*self.keep_ckpt_ids, step]
            outdated = kept[: -self.max_keep_ckpts]
            self.keep_ckpt_ids.extend([step])  # of so many at most: the oldest falls out
            runner.message_hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))
        folder = Path(self.out_dir)
        self.last_ckpt = str(folder / self.filename_tmpl.format(step))
        runner.message_hub.update_info("last_ckpt", self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            Path(self.last_ckpt).name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            point_to_last(Path(runner.work_dir), self.last_ckpt)
            for name in (self.filename_tmpl.format(number) for number in outdated):
                (folder / name).unlink(missing_ok=True)

    def _save_best_checkpoint(self, runner: Any, metrics: dict[str, float]) -> None:
        with _kept_until_replaced(self):
            super()._save_best_checkpoint(runner, metrics)


class StepCheckpointHook(Hook):
    """Saves a run in the middle of an epoch: every so many steps, and when it is asked to end.

    Only the newest of these checkpoints is kept, and none once its epoch's own is written.

    Args:
        every: steps between two of them; 0 for none but the one at the end.
        request: whether the run was asked to end.
    """

    priority = "LOWEST"

    def __init__(self, every: int, request: StopRequest) -> None:
        self.every = every
        self.request = request

    def between_steps(self, runner: Any) -> None:
        """Save the run if it is time to, and leave it if that was asked for.

        Raises:
            TrainingInterrupted: if the run was asked to end; it is saved.
        """
        is_asked_to_end = self.request.is_shared()
        if not runner.optim_wrapper.should_update():
            return  # the gradients since the last update are nowhere saved
        if is_asked_to_end or (self.every and runner.iter % self.every == 0):
            self._save(runner)
        if is_asked_to_end:
            raise TrainingInterrupted(self.request.signal_number)

    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Leave a validation if the run was asked to end: it is done anew when the run goes on.

        Raises:
            TrainingInterrupted: if the run was asked to end; it is saved.
        """
        if self.request.is_shared():
            self._save(runner)
            raise TrainingInterrupted(self.request.signal_number)

    def after_train_epoch(self, runner: Any) -> None:
        """Remove the checkpoint within the epoch if the epoch has its own by now."""
        last = find_last(Path(runner.work_dir))
        if is_main_process() and last is not None and not last.match(STEP_CHECKPOINTS):
            _remove_others(Path(runner.work_dir), None)

    def _save(self, runner: Any) -> None:
        folder, name = Path(runner.work_dir), f"iter_{runner.iter}.pth"
        if self._is_saved(runner):
            return
        runner.logger.info(f"Saving checkpoint at {runner.iter} iterations")
        meta = {"epoch": runner.epoch, "iter": runner.iter}
        runner.save_checkpoint(str(folder), name, meta=meta, by_epoch=False)
        if is_main_process():
            point_to_last(folder, str(folder / name))
            _remove_others(folder, name)

    def _is_saved(self, runner: Any) -> bool:
        """Return whether the epoch's own checkpoint was written at this very step."""
        is_at_end = runner.epoch > 0 and runner.train_loop.num_done == 0
        last = find_last(Path(runner.work_dir))
        return is_at_end and last is not None and last.name == f"epoch_{runner.epoch}.pth"


def point_to_last(folder: Path, path: str) -> None:
    """Write which checkpoint of a run is the last one, where MMEngine looks for it."""
    with replace_file(folder / LAST_FILE) as temporary:
        temporary.write_text(path, encoding="utf-8")


def _remove_others(folder: Path, kept: str | None) -> None:
    for path in folder.glob(STEP_CHECKPOINTS):
        if path.name != kept:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _kept_until_replaced(hook: Any) -> Iterator[None]:
    """Hide from MMEngine the best checkpoint, or that of each metric, which it would remove first; remove it after."""
    many = getattr(hook, "best_ckpt_path_dict", None)
    before = dict(many) if many is not None else {"": getattr(hook, "best_ckpt_path", None)}
    if many is not None:
        many.update(dict.fromkeys(many))
    else:
        hook.best_ckpt_path = None
    try:
        yield
    finally:
        now = dict(many) if many is not None else {"": hook.best_ckpt_path}
        for key, path in before.items():
            if now[key] is not None and path is not None and path != now[key] and is_main_process():
                Path(path).unlink(missing_ok=True)
            if now[key] is None:
                if many is not None:
                    many[key] = path
                else:
                    hook.best_ckpt_path = path
