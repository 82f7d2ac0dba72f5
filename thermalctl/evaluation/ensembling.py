"""Several models' probabilities as those of one: an ensemble."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from thermalctl.errors import PredictionsError
from thermalctl.evaluation.predictions import Predictions


def average_predictions(members: Sequence[Predictions]) -> Predictions:
    """Return the predictions of an ensemble: the mean of its members' probabilities.

    Args:
        members: of the same clips in the same order; of different models, if you like. What the first says of the
            protocol and of its checkpoint stands for all, but for what was trained on: of clips the most of any member,
            of sessions all of theirs, and nothing is known where one of them does not say. That any of them was chosen
            on these clips is told.

    Raises:
        PredictionsError: if they judge different clips, or know different classes.
    """
    first = members[0]
    for other in members[1:]:
        if (other.sample_ids, other.classes) != (first.sample_ids, first.classes):
            raise PredictionsError(
                f"{first.provenance.checkpoint} and {other.provenance.checkpoint} do not answer the same question: "
                "their clips or their classes differ",
                hint="an ensemble is of models of one dataset and one target",
            )
    scores = np.mean([member.scores for member in members], axis=0)
    sessions = [member.protocol.sessions_in_train for member in members]
    chosen = next((one.protocol.selection_split for one in members if one.protocol.selection_split), None)
    kinds = dict.fromkeys(member.protocol.selection for member in members)
    others = [f"{one.provenance.checkpoint} {one.provenance.checkpoint_sha256}" for one in members[1:]]
    return dataclasses.replace(
        first,
        scores=scores,
        logits=np.log(np.maximum(scores, np.finfo(np.float64).tiny)),
        protocol=dataclasses.replace(
            first.protocol,
            selection=f"{len(members)} models, {'; '.join(kinds)}",
            selection_split=chosen,
            num_trained=_find_most([member.protocol.num_trained for member in members]),
            num_overlapping=_find_most([member.protocol.num_overlapping for member in members]),
            sessions_in_train=None if None in sessions else tuple(sorted({s for each in sessions for s in each or ()})),
        ),
        provenance=dataclasses.replace(first.provenance, others=tuple(others)),
    )


def _find_most(counts: Sequence[int | None]) -> int | None:
    known = [number for number in counts if number is not None]
    return max(known) if len(known) == len(counts) else None
