from __future__ import annotations

import errno
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from thermalctl.engine.checkpoints import find_best, find_last
from thermalctl.engine.running.saving import SafeCheckpointHook
from thermalctl.engine.running.signals import noting_signals
from thermalctl.engine.running.storage import telling_full_disk
from thermalctl.errors import NotHeldError


class Killed(BaseException):
    """Stands for the end of a process: nothing catches it."""


@pytest.fixture
def killed_while_saving(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """End the run in the middle of writing a checkpoint whose name holds this text."""

    def arm(text: str) -> None:
        from mmengine.fileio import LocalBackend

        put = LocalBackend.put

        def put_half(self: Any, obj: bytes, filepath: str) -> None:
            if text in Path(filepath).name:
                put(self, obj[: len(obj) // 2], filepath)
                raise Killed
            put(self, obj, filepath)

        monkeypatch.setattr(LocalBackend, "put", put_half)

    return arm


@pytest.mark.parametrize("text", ["epoch_2.pth", "best_"])
def test_run_killed_while_it_saves_has_a_whole_checkpoint(
    training: Any, killed_while_saving: Callable[[str], None], text: str
) -> None:
    training.overrides["default_hooks.checkpoint.max_keep_ckpts"] = 1
    killed_while_saving(text)
    with pytest.raises(Killed):
        training.run(epochs=2)
    last = find_last(training.work_dir)
    assert last is not None
    assert last.name == "epoch_1.pth"
    assert torch.load(last, weights_only=True)["meta"]["epoch"] == 1


def test_old_checkpoints_go_after_the_new_one_is_there(training: Any) -> None:
    seen: list[list[str]] = []
    training.overrides["default_hooks.checkpoint.max_keep_ckpts"] = 1
    from thermalctl.engine.train import train

    def look(event: Any) -> None:
        seen.append(sorted(path.name for path in training.work_dir.glob("epoch_*.pth")))

    train(training.prepare(epochs=3), on_event=look)
    assert seen[-1] == ["epoch_3.pth"]
    assert max(map(len, seen)) == 1


def test_what_a_killed_process_left_half_written_is_cleared_away_and_never_loaded(training: Any) -> None:
    training.run(epochs=1)
    (training.work_dir / "last_checkpoint").unlink()
    half = training.work_dir / ".epoch_2.pth.x7f3.pth"
    half.write_bytes(b"half")
    assert find_last(training.work_dir) == training.work_dir / "epoch_1.pth"
    hook = SafeCheckpointHook(out_dir=None)
    logger = SimpleNamespace(info=lambda text: None)
    hook.before_train(SimpleNamespace(work_dir=str(training.work_dir), logger=logger))
    assert not half.exists()
    assert find_best(training.work_dir) is not None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk_keeps_the_last_checkpoint_and_says_so(
    training: Any, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    from mmengine.fileio import LocalBackend

    put = LocalBackend.put

    def put_unless_full(self: Any, obj: bytes, filepath: str) -> None:
        if "epoch_2" in filepath:
            put(self, obj[:100], filepath)
            raise OSError(number, "No space left on device")
        put(self, obj, filepath)

    monkeypatch.setattr(LocalBackend, "put", put_unless_full)
    with pytest.raises(
        NotHeldError, match=r"cannot be written to, No space left .* saved up to epoch_1\.pth"
    ) as caught:
        training.run(epochs=2)
    assert "thermalctl train --resume --work-dir" in str(caught.value.hint)
    assert not list(training.work_dir.glob(".*.pth"))
    monkeypatch.setattr(LocalBackend, "put", put)
    assert training.run(epochs=2, resume=True).epochs == 2


def test_other_errors_of_the_disk_are_left_alone(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), telling_full_disk(tmp_path):
        raise PermissionError(errno.EACCES, "no")
    with pytest.raises(NotHeldError, match="nothing of the run is saved yet"), telling_full_disk(tmp_path):
        raise OSError(errno.ENOSPC, "full")


def test_second_interrupt_does_not_wait(training: Any, run_until: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from thermalctl.engine.running import saving

    monkeypatch.setattr(saving.StepCheckpointHook, "between_steps", lambda hook, runner: signal.raise_signal(2))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run as a background job
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            run_until(step=(1, 1), number=signal.SIGINT, epochs=1)
        assert type(caught.value) is KeyboardInterrupt
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_signal_that_comes_while_the_processes_talk_is_told_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from thermalctl.engine.running import signals

    request = signals.StopRequest()
    monkeypatch.setattr(signals, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "get_backend", lambda: "gloo")
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda *given, **named: request.note(signal.SIGTERM))
    assert not request.is_shared()  # the other process has not heard of it
    assert request.is_shared()
    assert request.signal_number == signal.SIGTERM


def test_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with noting_signals() as request:
            signal.raise_signal(signal.SIGINT)
            assert request.signal_number == 0
            signal.raise_signal(signal.SIGTERM)
            assert request.signal_number == signal.SIGTERM
    finally:
        signal.signal(signal.SIGINT, before)
