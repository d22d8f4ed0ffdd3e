"""Linear layers that hold their present edges and nothing else."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

from nngraph import _arguments
from nngraph._rng import RNG, child, generator, seed_sequence
from nngraph._tensors import usable_device
from nngraph.errors import ArgumentError, SparsityWarning
from nngraph.sparse import _cells
from nngraph.sparse._inputs import check_dtype, tensor_of
from nngraph.sparse._products import Support, product
from nngraph.sparse.supports import complete

__all__ = ["Mask", "SparseLinear"]

Mask = np.ndarray | torch.Tensor


class SparseLinear(nn.Module):
    r"""A linear layer whose memory and time grow with its edges, not with the pairs of its neurons.

    .. math:: y_i = b_i + \sum_{j:\,(i, j) \in E} W_{ij} x_j, \qquad
              \frac{\partial L}{\partial W_{ij}} = \sum_n \frac{\partial L}{\partial y_{ni}} x_{nj}
              \ \text{ for } (i, j) \in E \text{ alone}

    Parameters
    ----------
    n_source, n_target : int
        Numbers of neurons: the size of the input, and that of the output.
    epsilon : float
        Density of the random support: each pair is an edge with probability epsilon (n + m) / (n m), as in
        :func:`erdos_renyi_mask`, which gives the same support for the same ``rng``.
    bias : bool
        Whether the outputs have a bias; it begins at 0.
    dtype : torch.dtype
        torch.float32 or torch.float64.
    device : torch.device or str, optional
        Where the layer is.
    rng : None, int, SeedSequence or Generator
        The same seed gives the same layer; torch's global generator is neither read nor moved.

    Attributes
    ----------
    values : torch.nn.Parameter
        (n_edges,) weights in the order of edges: row by row of the (n_target, n_source) matrix. Any optimiser works on
        it.
    bias : torch.nn.Parameter or None
        (n_target,).
    starts, columns : torch.Tensor
        (n_target + 1,) and (n_edges,) int32: compressed rows, kept in ``state_dict``. The transpose is kept beside
        them, and made anew when a state is loaded.

    Raises
    ------
    ArgumentError
        If an argument, or later an input, is of the wrong type or size.

    Warns
    -----
    SparsityWarning
        If the layer is complete: it then takes more memory and time than torch.nn.Linear.

    Notes
    -----
    Weights are normal with standard deviation sqrt(2 / mean number of edges of a target), what He et al. give a
    complete layer. Outputs and gradients of any order are exact. A pass computes with activations of shape (neurons,
    batch); layers that follow each other, with activations between them, hand them on in that order without a copy.
    Outputs are therefore views of that order, not contiguous: reshape them where ``view`` would do for a Linear layer.
    On a processor and on cuda the products are those of torch.sparse, in the type of the weights, also under autocast.

    Memory: 16 bytes an edge in float32, 4 more for the gradient, and what the optimiser keeps. Time and memory against
    a masked dense layer: see ``benchmarks/bench_sparse_training.py``.

    A state of the same sizes with another support can be loaded; where its number of edges differs, ``values`` becomes
    a new parameter, so that the optimiser has to be made afterwards.

    References
    ----------
    .. [1] D. C. Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse connectivity
       inspired by network science", Nature Communications 9 (2018).
    .. [2] K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV 2015.

    Examples
    --------
    >>> import torch
    >>> layer = SparseLinear(784, 400, epsilon=13, rng=0)
    >>> layer
    SparseLinear(784 -> 400, 15,470 edges of 313,600)
    >>> tuple(layer(torch.zeros(5, 784)).shape)
    (5, 400)
    """

    values: nn.Parameter
    bias: nn.Parameter | None
    starts: torch.Tensor
    columns: torch.Tensor
    turned_starts: torch.Tensor
    turned_rows: torch.Tensor
    turned_order: torch.Tensor

    holds_edges_alone = True
    """By this nngraph.from_torch knows the layer, which it does not import."""

    def __init__(
        self,
        n_source: int,
        n_target: int,
        epsilon: float = 13,
        *,
        bias: bool = True,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
        rng: RNG = None,
    ) -> None:
        n_source, n_target = _arguments.whole("n_source", n_source), _arguments.whole("n_target", n_target)
        epsilon = _cells.check_epsilon(epsilon)
        place = None if device is None else usable_device(device)
        p, seed = _cells.probability((n_target, n_source), epsilon), seed_sequence(rng)
        if p >= 1:
            warnings.warn(f"SparseLinear: {complete((n_target, n_source), epsilon)}", SparsityWarning, stacklevel=2)
        cells = _cells.initial((n_target, n_source), p, generator(child(seed, "erdos_renyi_mask")))
        scale = np.sqrt(2 * n_target / max(len(cells), 1))
        drawn = generator(child(seed, "weights")).standard_normal(len(cells)) * scale
        values = torch.from_numpy(drawn).to(check_dtype(dtype, "SparseLinear"))
        zeros = values.new_zeros(n_target) if _arguments.flag("bias", bias) else None
        self._begin(n_source, n_target, cells, values, zeros)
        self.to(place)

    def _begin(
        self, n_source: int, n_target: int, cells: np.ndarray, values: torch.Tensor, bias: torch.Tensor | None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = n_source, n_target
        self.values = nn.Parameter(values)
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias))
        for name in ("starts", "columns", "turned_starts", "turned_rows", "turned_order"):
            self.register_buffer(name, values.new_empty(0, dtype=torch.int32), persistent=name[:6] != "turned")
        self.hold_cells(cells)

    @classmethod
    def from_cells(
        cls,
        n_source: int,
        n_target: int,
        cells: np.ndarray,
        values: torch.Tensor | np.ndarray,
        bias: torch.Tensor | np.ndarray | None = None,
    ) -> SparseLinear:
        """Make a layer of its edges.

        Parameters
        ----------
        n_source, n_target : int
            Numbers of neurons.
        cells : (n_edges,) int array
            Where each edge is: target * n_source + source, ascending.
        values : (n_edges,) float32 or float64 array or tensor
            Copied; the layer is on the device of a tensor.
        bias : (n_target,) array or tensor, optional
            Copied, in the type and on the device of the values.

        Examples
        --------
        >>> import numpy as np
        >>> layer = SparseLinear.from_cells(3, 2, np.array([1, 3]), np.array([0.5, -1.0]))
        >>> layer.to_linear().weight.tolist()
        [[0.0, 0.5, 0.0], [-1.0, 0.0, 0.0]]
        """
        n_source, n_target = _arguments.whole("n_source", n_source), _arguments.whole("n_target", n_target)
        weights = tensor_of(values, "SparseLinear.from_cells: values").detach().clone()
        check_dtype(weights.dtype, "SparseLinear.from_cells")
        cells = np.asarray(cells)
        if cells.dtype.kind not in "iu" or cells.ndim != 1 or weights.shape != cells.shape:
            raise ArgumentError(
                f"SparseLinear.from_cells: got cells of shape {cells.shape} and type {cells.dtype} and values of shape "
                f"{tuple(weights.shape)}; expected as many whole numbers as values."
            )
        if len(cells) and not (cells[0] >= 0 and cells[-1] < n_source * n_target and (np.diff(cells) > 0).all()):
            raise ArgumentError(
                f"SparseLinear.from_cells: expected ascending cells from 0 to {n_source * n_target - 1}, each once; "
                "sort them by target * n_source + source."
            )
        shift = None
        if bias is not None:
            shift = tensor_of(bias, "SparseLinear.from_cells: bias").detach().to(weights, copy=True)
        if shift is not None and tuple(shift.shape) != (n_target,):
            raise ArgumentError(
                f"SparseLinear.from_cells: got a bias of shape {tuple(shift.shape)}; expected {n_target}."
            )
        layer = cls.__new__(cls)
        layer._begin(n_source, n_target, cells.astype(np.int64, copy=False), weights, shift)
        return layer

    @classmethod
    def from_linear(cls, layer: nn.Linear, mask: Mask | None = None) -> SparseLinear:
        """Make a layer of the present edges of another.

        Parameters
        ----------
        layer : torch.nn.Linear
            Not changed; its values are copied.
        mask : (n_target, n_source) bool array or tensor, optional
            True where an edge is present; it may weigh 0. By default the pruning mask that torch has installed, and
            without one the weights other than 0.

        Raises
        ------
        ArgumentError
            If the mask has another shape or type, or the layer is no torch.nn.Linear of 32 or 64 bit floats.

        Examples
        --------
        >>> import torch
        >>> dense = torch.nn.Linear(4, 3)
        >>> layer = SparseLinear.from_linear(dense, dense.weight > 0)
        >>> bool((layer.to_linear().weight == dense.weight.clamp(min=0)).all())
        True
        """
        if not isinstance(layer, nn.Linear):
            raise ArgumentError(f"SparseLinear.from_linear: got {type(layer).__name__}; expected a torch.nn.Linear.")
        held: Any = layer
        pruned = "weight_mask" in layer._buffers
        weight = held.weight_orig if pruned else layer.weight
        check_dtype(weight.dtype, "SparseLinear.from_linear")
        if mask is None:
            present = (held.weight_mask if pruned else weight) != 0
        else:
            present = tensor_of(mask, "SparseLinear.from_linear: mask")
        if present.dtype is not torch.bool or present.shape != weight.shape:
            raise ArgumentError(
                f"SparseLinear.from_linear: got a mask of shape {tuple(present.shape)} and type {present.dtype}; "
                f"expected bool of shape {tuple(weight.shape)}, that of the weight."
            )
        return cls._of_linear(layer, weight, torch.nonzero(present.reshape(-1)).reshape(-1).cpu().numpy())

    @classmethod
    def _of_linear(cls, layer: nn.Linear, weight: torch.Tensor, cells: np.ndarray) -> SparseLinear:
        values = weight.detach().reshape(-1)[torch.from_numpy(cells).to(weight.device)]
        made = cls.from_cells(layer.in_features, layer.out_features, cells, values, layer.bias).train(layer.training)
        made.values.requires_grad_(weight.requires_grad)
        if made.bias is not None:
            made.bias.requires_grad_(layer.bias.requires_grad)
        return made

    def to_linear(self) -> nn.Linear:
        """Return the layer as torch.nn.Linear with a pruning mask of torch, so that whatever reads masks reads it.

        Cost: two arrays of the size of the matrix.
        """
        made: nn.Linear = nn.utils.skip_init(
            nn.Linear,
            self.in_features,
            self.out_features,
            bias=self.bias is not None,
            dtype=self.values.dtype,
            device=self.values.device,
        )
        cells = torch.from_numpy(self.cells()).to(self.values.device)
        with torch.no_grad():
            made.weight.zero_()
            made.weight.reshape(-1)[cells] = self.values
            if self.bias is not None:
                made.bias.copy_(self.bias)
        made.weight.requires_grad_(self.values.requires_grad)
        if self.bias is not None:
            made.bias.requires_grad_(self.bias.requires_grad)
        mask = torch.zeros_like(made.weight, dtype=torch.bool)
        mask.reshape(-1)[cells] = True
        prune.custom_from_mask(made, "weight", mask)  # type: ignore[no-untyped-call]
        return made.train(self.training)

    # ------------------------------------------------------------------- edges

    @property
    def n_edges(self) -> int:
        """Number of present edges."""
        return len(self.columns)

    def cells(self) -> np.ndarray:
        """Return where the edges are: (n_edges,) target * n_source + source, ascending, int64."""
        return _cells_of(self.starts, self.columns, self.in_features)

    def hold_cells(self, cells: np.ndarray) -> None:
        """Take other places for the edges, as many as there are values, ascending; ``values`` stay as they are."""
        if len(cells) >= 2**31:
            raise ArgumentError(f"SparseLinear: got {len(cells):,} edges; expected fewer than {2**31:,}.")
        first = np.arange(self.out_features + 1) * self.in_features
        self._put("starts", np.searchsorted(cells, first))
        self._put("columns", cells % self.in_features)
        self._turn(cells)

    def _turn(self, cells: np.ndarray) -> None:
        rows, columns = (part.astype(np.int32) for part in np.divmod(cells, self.in_features))
        order = np.argsort(columns, kind="stable")
        self._put("turned_starts", np.searchsorted(columns[order], np.arange(self.in_features + 1)))
        self._put("turned_rows", rows[order])
        self._put("turned_order", order)

    def _put(self, name: str, numbers: np.ndarray) -> None:
        setattr(self, name, torch.from_numpy(numbers.astype(np.int32)).to(self.values.device))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        starts, columns, values = (state_dict.get(f"{prefix}{name}") for name in ("starts", "columns", "values"))
        if starts is columns is values is None:
            super()._load_from_state_dict(state_dict, prefix, *others)
            return
        if columns is None or not self._can_hold(starts, columns, values):
            others[-1].append(
                f"{prefix}starts, {prefix}columns and {prefix}values are not the edges of a layer of "
                f"{self.in_features} -> {self.out_features} neurons; expected what state_dict() of such a SparseLinear "
                "gave."
            )
            return
        if len(columns) != self.n_edges:
            self.values = nn.Parameter(self.values.detach().new_zeros(len(columns)), self.values.requires_grad)
            self.columns = self.columns.new_zeros(len(columns))
        super()._load_from_state_dict(state_dict, prefix, *others)
        self._turn(self.cells())

    def _can_hold(self, starts: Any, columns: torch.Tensor, values: Any) -> bool:
        """Tell whether these are compressed rows of the layer's shape: others would be read beyond their end."""
        if starts is None or values is None or starts.shape != self.starts.shape:
            return False
        if columns.dim() != 1 or values.shape != columns.shape:
            return False
        starts = starts.cpu().numpy()
        if starts[0] != 0 or starts[-1] != len(columns) or (np.diff(starts) < 0).any():
            return False
        if not bool(((columns >= 0) & (columns < self.in_features)).all()):
            return False
        return bool((np.diff(_cells_of(torch.from_numpy(starts), columns, self.in_features)) > 0).all())

    # ----------------------------------------------------------------- forward

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (..., n_target) outputs of (..., n_source) inputs."""
        values = self.values
        if not isinstance(x, torch.Tensor):
            raise ArgumentError(f"SparseLinear: got an input of type {type(x).__name__}; expected a torch.Tensor.")
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(values.dtype)
        if x.dim() == 0 or x.shape[-1] != self.in_features or x.dtype is not values.dtype:
            raise ArgumentError(
                f"SparseLinear: got an input of shape {tuple(x.shape)} and type {x.dtype}; expected "
                f"(..., {self.in_features}) and {values.dtype}, the type of its weights."
            )
        check_dtype(values.dtype, "SparseLinear")
        support = Support(
            (self.out_features, self.in_features),
            self.starts,
            self.columns,
            self.turned_starts,
            self.turned_rows,
            self.turned_order,
        )
        batch = x.reshape(-1, self.in_features)
        y = product(values, batch.t().contiguous(), support)
        if self.bias is not None:
            y = y + self.bias[:, None]
        return y.t().reshape(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        """Return sizes and number of edges."""
        n_cells = self.in_features * self.out_features
        bias = "" if self.bias is not None else ", no bias"
        return f"{self.in_features} -> {self.out_features}, {self.n_edges:,} edges of {n_cells:,}{bias}"


def _cells_of(starts: torch.Tensor, columns: torch.Tensor, n_source: int) -> np.ndarray:
    rows, sources = (t.cpu().numpy().astype(np.int64) for t in (starts, columns))
    cells: np.ndarray = np.repeat(np.arange(len(rows) - 1) * n_source, np.diff(rows)) + sources
    return cells
