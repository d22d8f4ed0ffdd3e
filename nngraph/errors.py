"""The errors of nngraph: each message says where, what was got, what was expected, and what to do next."""

__all__ = [
    "ArgumentError",
    "CapacitanceWarning",
    "ComplexityWarning",
    "ConvergenceError",
    "DatasetError",
    "FormatError",
    "NNGraphError",
    "NullModelError",
    "NullModelWarning",
    "RoundTripError",
    "SimilarityWarning",
    "SizeError",
    "SparsityWarning",
    "StudyError",
    "UnsupportedLayerError",
]


class NNGraphError(Exception):
    """Base class of every error that nngraph raises on purpose."""


class ArgumentError(NNGraphError, ValueError):
    """An argument has a value outside of what the function accepts."""


class UnsupportedLayerError(NNGraphError):
    """A module of the model cannot be converted faithfully."""


class RoundTripError(NNGraphError):
    """A graph does not fit the model, or the object, that it is to be written to."""


class ConvergenceError(NNGraphError):
    """An iterative method stopped before it reached the tolerance that was asked for."""


class NullModelError(NNGraphError):
    """A null model has nothing to randomise, or a statistic of one of its draws failed."""


class NullModelWarning(UserWarning):
    """A null model did less than was asked: a block admits no other, a chain has not mixed, a run was cut short."""


class CapacitanceWarning(UserWarning):
    """A neural capacitance is zero by a theorem whatever the weights, or says less than it seems to."""


class ComplexityWarning(UserWarning):
    """Tasks change their order by complexity with a choice that is no part of the task."""


class SimilarityWarning(UserWarning):
    """A comparison of representations went another way than the fastest, or says less than it seems to."""


class SparsityWarning(UserWarning):
    """A layer is not as sparse as was asked for, or fewer of its edges can be rewired."""


class FormatError(NNGraphError):
    """A file, or an object of another library, cannot be read as what it claims to be."""


class SizeError(NNGraphError):
    """A view or a file would be too large to be useful; ``force=True`` goes on all the same."""


class StudyError(NNGraphError):
    """A study folder cannot be used, or belongs to other settings."""


class DatasetError(NNGraphError):
    """A data set is neither on this machine nor to be had over the network."""
