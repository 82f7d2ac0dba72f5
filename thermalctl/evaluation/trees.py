"""Tree ensembles on clips' pictures: what can be had without a network, in seconds and on a CPU."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.utils.parallel import Parallel, delayed

from thermalctl.clip_spec import Target

#: Grown in seconds; 500 change the scores on the real recordings by less than another seed does.
NUM_TREES = 300
#: Whether classes are weighted against their frequency. People come from several keyframes of most classes; of whole
#: frames some classes have one, and weighted like a hundred others it costs more than it gains.
BALANCED: Mapping[Target, bool] = {"frame": False, "person": True}


@dataclass(frozen=True, kw_only=True, eq=False)
class Ensemble:
    """Trees to be grown on some samples and asked about others.

    Attributes:
        rows: (N, F) float32, features of all samples; the same array for many ensembles is held once.
        labels: (N,) int64, class ids of all samples.
        trained: (m,) places of the samples to learn from.
        judged: (n,) places of the samples to be asked about.
        seed: of the trees; the same gives the same probabilities.
        balanced: weight classes against their frequency.
    """

    rows: NDArray[np.float32]
    labels: NDArray[np.int64]
    trained: NDArray[np.intp]
    judged: NDArray[np.intp]
    seed: int
    balanced: bool


def predict_trees(
    ensembles: Iterable[Ensemble], *, num_classes: int, num_trees: int = NUM_TREES, n_jobs: int = 1
) -> Iterator[NDArray[np.float64]]:
    """Yield the class probabilities of each ensemble's judged samples, (n, K) float64, in the order given.

    A class that was not trained on has probability 0.

    Source: extremely randomized trees, Geurts, Ernst and Wehenkel, Machine Learning 63 (2006), as scikit-learn has
    them.

    Args:
        ensembles: what to grow.
        num_classes: K.
        num_trees: trees of each.
        n_jobs: processes to use, an ensemble in each; the answers are the same. Threads would do, were it not that
            scikit-learn's spoil the process's warning filters for one another.
    """
    grow = delayed(_predict)
    tasks = (
        grow(each.rows, each.labels, each.trained, each.judged, each.seed, each.balanced, num_classes, num_trees)
        for each in ensembles
    )
    yield from Parallel(n_jobs=n_jobs, return_as="generator")(tasks)


def _predict(
    rows: NDArray[np.float32],
    labels: NDArray[np.int64],
    trained: NDArray[np.intp],
    judged: NDArray[np.intp],
    seed: int,
    balanced: bool,
    num_classes: int,
    num_trees: int,
) -> NDArray[np.float64]:
    """Return one ensemble's probabilities; what it is given are arrays, which joblib shares between processes."""
    trees = ExtraTreesClassifier(num_trees, class_weight="balanced" if balanced else None, random_state=seed)
    with warnings.catch_warnings():
        # scikit-learn takes many classes among few samples for a regression; a small dataset is just that.
        warnings.filterwarnings("ignore", message="The number of unique classes is greater than 50%")
        trees.fit(rows[trained], labels[trained])
    probabilities = np.zeros((len(judged), num_classes))
    if len(judged):
        probabilities[:, trees.classes_] = trees.predict_proba(rows[judged])
    return probabilities
