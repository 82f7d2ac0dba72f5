"""Several models' weights as those of one: a uniform soup.

Source: Wortsman et al. 2022, "Model soups" (2203.05482). It makes sense of runs that began with the same weights; of
runs that began with random ones the mean is no model at all, so it is measured like any other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from thermalctl.engine.restore import RestoredModel
from thermalctl.errors import CheckpointError


def mix_soup(models: Sequence[RestoredModel]) -> RestoredModel:
    """Return the first model with the mean of all models' weights; counters and the like are the first's.

    Raises:
        CheckpointError: if their weights have other names or shapes, or they see clips in another way.
    """
    first = models[0]
    states = [restored.model.state_dict() for restored in models]
    for other, state in zip(models[1:], states[1:], strict=True):
        shapes = ({name: value.shape for name, value in each.items()} for each in (states[0], state))
        if len({tuple(sorted(each.items())) for each in shapes}) > 1 or other.clip_spec != first.clip_spec:
            raise CheckpointError(
                f"{other.path}: is of another architecture than {first.path}, or sees clips in another way",
                hint="only weights of equal models can be averaged; --ensemble alone averages the probabilities of any",
            )
    mixed = {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if value.is_floating_point() else value
        for name, value in states[0].items()
    }
    first.model.load_state_dict(mixed)
    trained = [restored.trained_ids for restored in models]
    datasets = {restored.trained_dataset for restored in models}
    return dataclasses.replace(
        first,
        trained_ids=tuple(dict.fromkeys(one for ids in trained for one in ids)) if all(trained) else (),
        trained_clips=np.unique(np.concatenate([restored.trained_clips for restored in models])),
        trained_keyframes=np.unique(np.concatenate([restored.trained_keyframes for restored in models])),
        trained_frames=np.unique(np.concatenate([restored.trained_frames for restored in models])),
        trained_dataset=datasets.pop() if len(datasets) == 1 else None,
        selection=f"mean weights of {len(models)} models, {'; '.join(dict.fromkeys(one.selection for one in models))}",
        selection_split=next((one.selection_split for one in models if one.selection_split), None),
    )
