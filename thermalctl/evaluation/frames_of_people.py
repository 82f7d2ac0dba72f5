"""Whole keyframes judged by what a model says of each person in them.

A keyframe's label is that of most people in it, of equally many the lowest class id (`dataset.samples`). What is said
of the people says how probable each label is, if what they do is independent.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from thermalctl.dataset.samples import Sample
from thermalctl.errors import PredictionsError
from thermalctl.evaluation.predictions import Predictions
from thermalctl.evaluation.protocol import ProtocolRecord
from thermalctl.evaluation.references import ReferenceAnswers

#: Ways in which people can act that are less probable than this are passed over: with four people there are 38,416.
_LEAST = 1e-9


def judge_frames(
    people: Predictions,
    frames: Sequence[Sample],
    *,
    protocol: ProtocolRecord,
    train_counts: NDArray[np.int64],
    references: Sequence[ReferenceAnswers] = (),
) -> Predictions:
    """Return the predictions for keyframes from those for the people in them.

    Args:
        people: of a model of people; each is named "<keyframe>#<person>".
        frames: the keyframes, each with at least one of these people.
        protocol: how the keyframes relate to those that were trained on.
        train_counts: (K,) training keyframes of each class.
        references: what baselines answer on the keyframes.

    Raises:
        PredictionsError: if nobody in a keyframe was judged.
    """
    rows = defaultdict(list)
    for row, sample_id in enumerate(people.sample_ids):
        rows[sample_id.partition("#")[0]].append(row)
    empty = next((frame.sample_id for frame in frames if frame.sample_id not in rows), None)
    if empty is not None:
        raise PredictionsError(f"{empty}: nobody in it was judged", hint="score all people of the split")
    scores = np.stack([find_label_probabilities(people.scores[rows[frame.sample_id]]) for frame in frames])
    return dataclasses.replace(
        people,
        sample_ids=tuple(frame.sample_id for frame in frames),
        labels=np.array([frame.label for frame in frames], dtype=np.int64),
        scores=scores,
        logits=np.log(np.maximum(scores, np.finfo(np.float64).tiny)),
        sessions=tuple(frame.session for frame in frames),
        recordings=tuple(frame.recording for frame in frames),
        keyframes=np.array([frame.keyframe for frame in frames], dtype=np.int64),
        timestamps_ms=np.array([frame.timestamp_ms for frame in frames], dtype=np.int64),
        boxes=None,
        train_counts=train_counts,
        reference_names=tuple(reference.name for reference in references),
        reference_answers=np.stack([reference.answers for reference in references]) if references else None,
        protocol=protocol,
    )


def find_label_probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how probable each label of a keyframe is, (K,), from its people's class probabilities, (P, K).

    The label is that of most people, of equally many the lowest class id; people are taken for independent.
    """
    num_classes = scores.shape[1]
    # How many people do what, and how probable that is; in which order they do it does not matter.
    counts: dict[tuple[int, ...], float] = {(0,) * num_classes: 1.0}
    for person in scores:
        following: dict[tuple[int, ...], float] = defaultdict(float)
        for count, probability in counts.items():
            for class_id in np.flatnonzero(person * probability > _LEAST).tolist():
                more = (*count[:class_id], count[class_id] + 1, *count[class_id + 1 :])
                following[more] += probability * float(person[class_id])
        counts = following
    found = np.zeros(num_classes)
    for count, probability in counts.items():
        found[count.index(max(count))] += probability
    probabilities: NDArray[np.float64] = found / found.sum()
    return probabilities
