"""The predictions of several folds as those of one model: every clip judged once, by a model that never saw it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermalctl.errors import PredictionsError
from thermalctl.evaluation.predictions import Predictions

_TEXTS = ("sample_ids", "sessions", "recordings")
_ARRAYS = ("labels", "scores", "keyframes", "timestamps_ms")
_OPTIONAL_ARRAYS = ("logits", "boxes")


def pool_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Return the clips of all parts as one set of predictions, in their order.

    A class that only some folds can judge makes the mean of their mean class accuracies depend on how the folds were
    dealt; the accuracy over the pooled clips does not.

    Args:
        parts: of the same classes and target, each of other clips. How the first was split and chosen (protocol) and
            where it comes from (provenance) stands for all. Clips and sessions count as trained on if they were by the
            model that judged them; counts of training clips are of one fold each and are left out.

    Raises:
        PredictionsError: if the parts know different classes or targets, or a clip was judged twice.
    """
    if not parts:
        raise PredictionsError("there are no predictions to pool")
    first = parts[0]
    for part in parts[1:]:
        if part.classes != first.classes or part.protocol.target != first.protocol.target:
            raise PredictionsError(
                f"{part.provenance.checkpoint} and {first.provenance.checkpoint} do not answer the same question: "
                "their classes or their targets differ",
                hint="pool the folds of one dataset and one configuration",
            )
    values: dict[str, Any] = {name: sum((getattr(part, name) for part in parts), ()) for name in _TEXTS}
    values |= {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS}
    values |= {name: _join_optional([getattr(part, name) for part in parts]) for name in _OPTIONAL_ARRAYS}
    trained = [part.protocol.num_trained for part in parts]
    overlapping = [part.protocol.num_overlapping for part in parts]
    protocol = dataclasses.replace(
        first.protocol,
        num_overlapping=None if None in overlapping else sum(filter(None, overlapping)),
        num_trained=None if None in trained else sum(filter(None, trained)),
        sessions_in_train=_pool_sessions(parts),
    )
    return dataclasses.replace(first, **values, **_pool_references(parts), train_counts=None, protocol=protocol)


def _pool_sessions(parts: Sequence[Predictions]) -> tuple[str, ...] | None:
    """Return the sessions that were trained on by the very model that judged them; None where one does not say."""
    seen: set[str] = set()
    for part in parts:
        if part.protocol.sessions_in_train is None:
            return None
        seen |= set(part.sessions) & set(part.protocol.sessions_in_train)
    return tuple(sorted(seen))


def _pool_references(parts: Sequence[Predictions]) -> dict[str, Any]:
    """Return the baselines that all parts have, each fitted on its own part's training clips."""
    names = tuple(name for name in parts[0].references if all(name in part.references for part in parts))
    answers = [np.concatenate([part.references[name] for part in parts]) for name in names]
    return {"reference_names": names, "reference_answers": np.stack(answers) if names else None}


def _join_optional(arrays: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    known = [array for array in arrays if array is not None]
    return np.concatenate(known) if len(known) == len(arrays) else None
