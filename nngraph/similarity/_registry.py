"""What is known of each measure before it is computed: orientation, range, invariances, cost, origin."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any, Literal

from nngraph.similarity._comparisons import Comparison
from nngraph.similarity._couplings import Augmented, GromovWasserstein, Wasserstein
from nngraph.similarity._heat_traces import HeatTraces
from nngraph.similarity._paired import Cosine, Euclidean, MutualInformation
from nngraph.similarity._sample_pairs import DistanceDifference, KernelAlignment, SimilarityCorrelation
from nngraph.similarity._subspaces import Canonical, Procrustes, TruncatedCanonical, WeightedCanonical

INVARIANCES: Mapping[str, str] = {
    "permutation": "dimensions of either side permuted",
    "orthogonal": "either side rotated or reflected",
    "scale": "either side times a positive number",
    "translation": "a vector added to all samples of either side",
    "linear": "either side times an invertible matrix",
    "second_linear": "the second side times an invertible matrix",
    "row_scale": "each sample of either side times a positive number of its own",
    "row_affine": "the same, and a number of its own added to all its dimensions",
    "monotone": "an increasing function applied to all entries of either side",
    "row_permutation": "samples of either side permuted",
    "joint_permutation": "dimensions of both sides permuted alike",
    "joint_orthogonal": "both sides rotated or reflected alike",
    "joint_translation": "the same vector added to all samples of both sides",
    "joint_row_permutation": "samples of both sides permuted alike",
}
"""What may be done to representations: to either side alone, or, where it is called joint, to both alike."""

_IMPLIED = {
    "linear": {"orthogonal", "scale", "second_linear"},
    "orthogonal": {"permutation", "joint_orthogonal"},
    "joint_orthogonal": {"joint_permutation"},
    "permutation": {"joint_permutation"},
    "row_affine": {"row_scale"},
    "row_scale": {"scale"},
    "monotone": {"scale"},
    "translation": {"joint_translation"},
    "row_permutation": {"joint_row_permutation"},
}


def _closed(*names: str) -> frozenset[str]:
    """Return these invariances and all that follow from them; samples permuted alike never matter."""
    found: set[str] = {"joint_row_permutation"}
    waiting = list(names)
    while waiting:
        found.add(name := waiting.pop())
        waiting += _IMPLIED.get(name, set()) - found
    return frozenset(found)


@dataclasses.dataclass(frozen=True)
class Measure:
    """What is known of a measure before it is computed.

    Parameters
    ----------
    name : str
        Its key in ``MEASURES``.
    comparison : type
        The class that computes it: options in its constructor, a state for each tap, a value for each pair of states.
    orientation : {"distance", "similarity"}
        Whether 0 means alike, or 1 does. A map shows a similarity s as the distance 1 - s.
    range : (float, float)
        Smallest and largest value, in its own orientation.
    invariances : frozenset of str
        Keys of ``INVARIANCES``: all of those that leave the value as it is, with default options, and no others. Those
        of "gw" and "agw" are of the minimum; where a search finds another one, it may depend on the order of samples.
    cost : str
        Work for a map of L taps of n samples and d dimensions.
    reference : str
        Where it comes from.
    same_d, same_n : bool
        Whether both representations need the same number of dimensions, of samples.
    symmetric : bool
        Whether (x, y) and (y, x) have one value. If not, a map of one network has the mean of both.

    Examples
    --------
    >>> MEASURES["cka"].orientation, sorted(MEASURES["cka"].invariances & {"orthogonal", "linear", "scale"})
    ('similarity', ['orthogonal', 'scale'])
    """

    name: str
    comparison: type[Comparison] = dataclasses.field(repr=False)
    orientation: Literal["distance", "similarity"]
    range: tuple[float, float]
    invariances: frozenset[str]
    cost: str
    reference: str
    same_d: bool = False
    same_n: bool = True
    symmetric: bool = True

    @property
    def options(self) -> dict[str, Any]:
        """Names of the options, and their defaults."""
        parameters = inspect.signature(self.comparison).parameters.values()
        return {parameter.name: parameter.default for parameter in parameters}


_ANY = (0, float("inf"))
_ROTATIONS = ("orthogonal", "scale", "translation")

_TABLE = [
    Measure(
        "euclidean",
        Euclidean,
        "distance",
        _ANY,
        _closed("joint_orthogonal", "joint_translation"),
        "L^2 n d",
        "a baseline of arXiv:2410.16484",
        same_d=True,
    ),
    Measure(
        "cosine",
        Cosine,
        "distance",
        (0, 2),
        _closed("row_scale", "joint_orthogonal"),
        "L^2 n d",
        "a baseline of arXiv:2410.16484",
        same_d=True,
    ),
    Measure(
        "mutual_information",
        MutualInformation,
        "similarity",
        (0, 1),
        _closed("monotone", "joint_permutation"),
        "L^2 n d",
        "Strehl and Ghosh, JMLR 3, 583-617, 2002 (the normalisation)",
        same_d=True,
    ),
    Measure(
        "rsm",
        DistanceDifference,
        "distance",
        _ANY,
        _closed("orthogonal", "translation"),
        "L n^2 d + L^2 n^2",
        "Yin and Shen, NeurIPS 2018; Klabunde et al., arXiv:2305.06329",
    ),
    Measure(
        "rsa",
        SimilarityCorrelation,
        "similarity",
        (-1, 1),
        _closed("permutation", "row_affine"),
        "L n^2 (d + log n) + L^2 n^2",
        "Kriegeskorte, Mur and Bandettini, Frontiers in Systems Neuroscience 2, 4, 2008",
    ),
    Measure(
        "cca",
        Canonical,
        "similarity",
        (0, 1),
        _closed("linear", "translation"),
        "L n d^2 + L^2 d^2 (n + d)",
        "Hotelling, Biometrika 28, 321-377, 1936",
    ),
    Measure(
        "svcca",
        TruncatedCanonical,
        "similarity",
        (0, 1),
        _closed(*_ROTATIONS),
        "L n d^2 + L^2 d^2 (n + d)",
        "Raghu, Gilmer, Yosinski and Sohl-Dickstein, NeurIPS 2017, arXiv:1706.05806",
    ),
    Measure(
        "pwcca",
        WeightedCanonical,
        "similarity",
        (0, 1),
        _closed("permutation", "scale", "translation", "second_linear"),
        "L n d^2 + L^2 d^2 (n + d)",
        "Morcos, Raghu and Bengio, NeurIPS 2018, arXiv:1806.05759",
        symmetric=False,
    ),
    Measure(
        "cka",
        KernelAlignment,
        "similarity",
        (-1, 1),
        _closed(*_ROTATIONS),
        "L n^2 d + L^2 n^2",
        "Kornblith, Norouzi, Lee and Hinton, ICML 2019, arXiv:1905.00414; debiased: Song et al., JMLR 13, 2012",
    ),
    Measure(
        "procrustes",
        Procrustes,
        "distance",
        (0, 2**0.5),
        _closed(*_ROTATIONS),
        "L^2 d^2 (n + d)",
        "Schönemann, Psychometrika 31, 1-10, 1966; Ding, Denain and Steinhardt, arXiv:2108.01661",
    ),
    Measure(
        "msid",
        HeatTraces,
        "distance",
        _ANY,
        _closed(*_ROTATIONS, "row_permutation"),
        "L n^2 (n + d)",
        "Tsitsulin et al., ICLR 2020, arXiv:1905.11141",
        same_n=False,
    ),
    Measure(
        "wasserstein",
        Wasserstein,
        "distance",
        _ANY,
        _closed("joint_orthogonal", "joint_translation", "row_permutation"),
        "L^2 n^2 (n log n + d)",
        "Peyré and Cuturi, Foundations and Trends in Machine Learning 11, 355-607, 2019",
        same_d=True,
        same_n=False,
    ),
    Measure(
        "agw",
        Augmented,
        "distance",
        _ANY,
        _closed("permutation", "scale", "row_permutation"),
        "L^2 (n^3 + d^3) a round",
        "Demetci et al., arXiv:2307.10093",
        same_n=False,
    ),
    Measure(
        "gw",
        GromovWasserstein,
        "distance",
        _ANY,
        _closed(*_ROTATIONS, "row_permutation"),
        "L^2 n^3",
        "Mémoli, Foundations of Computational Mathematics 11, 417-487, 2011; arXiv:2410.16484",
        same_n=False,
    ),
]
MEASURES: dict[str, Measure] = {measure.name: measure for measure in _TABLE}
"""All measures by name."""
