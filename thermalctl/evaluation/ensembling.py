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
            protocol and of its checkpoint stands for all, but that a clip counts as trained on for as many members as
            have most of them, and that a choice of any of them on these clips is told.

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
    trained = [member.protocol.num_trained for member in members if member.protocol.num_trained is not None]
    overlapping = [one.protocol.num_overlapping for one in members if one.protocol.num_overlapping is not None]
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
            num_trained=max(trained, default=None),
            num_overlapping=max(overlapping, default=None),
        ),
        provenance=dataclasses.replace(first.provenance, others=tuple(others)),
    )
