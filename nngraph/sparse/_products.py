"""Products with a matrix of which only the present edges are held, differentiable as often as one likes."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import torch


class Support(NamedTuple):
    """Where the edges of a (n_target, n_source) matrix are: its compressed rows, and those of its transpose."""

    shape: tuple[int, int]
    starts: torch.Tensor
    """(n_target + 1,) int32: where each row begins among the edges."""
    columns: torch.Tensor
    """(n_edges,) int32: the source of each edge."""
    turned_starts: torch.Tensor
    """(n_source + 1,) int32: where each column begins among the edges in the order of columns."""
    turned_rows: torch.Tensor
    """(n_edges,) int32: the target of each edge in that order."""
    turned_order: torch.Tensor
    """(n_edges,) int32: which edge is at each place of that order."""

    def matrix(self, values: torch.Tensor) -> torch.Tensor:
        """Return the matrix with these values, in the order of edges; they are not copied."""
        return _compressed(self.starts, self.columns, values, self.shape)

    def turned(self, values: torch.Tensor) -> torch.Tensor:
        """Return the transpose; a product with it takes a fifth of the time of one with ``matrix(values).t()``."""
        values = values.index_select(0, self.turned_order)
        return _compressed(self.turned_starts, self.turned_rows, values, self.shape[::-1])


class _Product(torch.autograd.Function):
    """W x, or W^T x."""

    @staticmethod
    def forward(values: torch.Tensor, x: torch.Tensor, support: Support, turned: Any) -> torch.Tensor:
        rows, batch = support.shape[1 if turned else 0], x.shape[1]
        if not len(values) or not batch:
            return x.new_zeros(rows, batch)
        matrix = support.turned(values) if turned else support.matrix(values)
        with torch.autocast(x.device.type, enabled=False):  # it would take 16 bits, for which there is no product
            return matrix @ x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        values, x, ctx.support, ctx.is_turned = inputs
        ctx.save_for_backward(values, x)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        values, x = ctx.saved_tensors
        support, turned, grad = ctx.support, ctx.is_turned, grads[0].contiguous()
        a, b = (x, grad) if turned else (grad, x)
        return (
            sampled_product(a, b, support) if ctx.needs_input_grad[0] else None,
            product(values, grad, support, turned=not turned) if ctx.needs_input_grad[1] else None,
            None,
            None,
        )


class _SampledProduct(torch.autograd.Function):
    """The entries of a b^T at the edges."""

    @staticmethod
    def forward(a: torch.Tensor, b: torch.Tensor, support: Support) -> torch.Tensor:
        zeros = a.new_zeros(len(support.columns))
        if not len(zeros) or not a.shape[1]:
            return zeros
        sampled: torch.Tensor = torch.sparse.sampled_addmm(support.matrix(zeros), a, b.t(), beta=0.0)
        return sampled.values()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        a, b, ctx.support = inputs
        ctx.save_for_backward(a, b)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        a, b = ctx.saved_tensors
        grad = grads[0].contiguous()
        return (
            product(grad, b, ctx.support) if ctx.needs_input_grad[0] else None,
            product(grad, a, ctx.support, turned=True) if ctx.needs_input_grad[1] else None,
            None,
        )


def product(values: torch.Tensor, x: torch.Tensor, support: Support, *, turned: bool = False) -> torch.Tensor:
    """Return W x of (n_source, batch) activations, or W^T x of (n_target, batch) ones; x is contiguous."""
    out: torch.Tensor = _Product.apply(values, x, support, turned)  # type: ignore[no-untyped-call]
    return out


def sampled_product(a: torch.Tensor, b: torch.Tensor, support: Support) -> torch.Tensor:
    """Return sum_k a[i, k] b[j, k] for each edge from j to i, never the whole product."""
    out: torch.Tensor = _SampledProduct.apply(a, b, support)  # type: ignore[no-untyped-call]
    return out


def _compressed(
    starts: torch.Tensor, columns: torch.Tensor, values: torch.Tensor, shape: tuple[int, ...]
) -> torch.Tensor:
    matrix: torch.Tensor = torch.sparse_csr_tensor(starts, columns, values, size=shape, check_invariants=False)
    return matrix


with warnings.catch_warnings():  # torch says once that compressed rows are new to it: here, unheard
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor(torch.tensor([0, 1]), torch.tensor([0]), torch.ones(1), size=(1, 1))
