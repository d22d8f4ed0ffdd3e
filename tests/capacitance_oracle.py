"""beta_eff the long way: every pair of weights by autograd, the line graph by networkx and by igraph."""

import functools
import itertools

import igraph
import networkx as nx
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from nngraph import _rng


def network(sizes, *, density=1.0, activation=nn.ReLU, bias=True, seed=0, tail=()):
    """A float64 network with random weights and, below a density of 1, pruning masks in every layer but the last."""
    rng = np.random.default_rng(seed)
    modules = []
    for n_in, n_out in itertools.pairwise(sizes):
        layer = nn.utils.skip_init(nn.Linear, n_in, n_out, bias=bias).double()
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(torch.from_numpy(rng.normal(size=tuple(parameter.shape))))
        if density < 1:
            mask = rng.random((n_out, n_in)) < density
            mask[rng.integers(n_out), rng.integers(n_in)] = True
            prune.custom_from_mask(layer, "weight", torch.from_numpy(mask))
        modules += [layer, activation()]
    return nn.Sequential(*modules[:-1], *tail).eval()


def batch(sizes, loss, *, n=9, seed=1):
    rng = _rng.generator(_rng.seed_sequence(seed))
    x = rng.normal(size=(n, sizes[0]))
    y = np.arange(n) % sizes[-1] if loss == "cross_entropy" else rng.normal(size=(n, sizes[-1]))
    return x, y


class Oracle:
    """Weights, supports and signals of a network, all by autograd over torch's own modules."""

    def __init__(self, model, x, y, loss):
        self.steps = []
        for module in model:
            if isinstance(module, nn.Linear):
                self.steps.append((module, []))
            else:
                self.steps[-1][1].append(module)
        self.weights = [layer.weight.detach().clone() for layer, _ in self.steps]
        self.masks = [getattr(layer, "weight_mask", torch.ones_like(layer.weight)).bool() for layer, _ in self.steps]
        self.x = torch.as_tensor(x)
        y = torch.as_tensor(y)
        if loss == "cross_entropy":
            self.loss = lambda out: F.cross_entropy(out, y)
        else:
            self.loss = lambda out: ((out - y) ** 2).sum() / 2 / len(y)
        z, self.z, self.slopes, sums = self.x, [], [], []
        for (layer, after), weight in zip(self.steps, self.weights, strict=True):
            self.z.append(z.detach())
            sums.append(F.linear(z, weight, layer.bias).requires_grad_())
            z = functools.reduce(lambda value, module: module(value), after, sums[-1])
            self.slopes.append(torch.autograd.grad(z.sum(), sums[-1], retain_graph=True)[0].detach())
        self.errors = [error.detach() for error in torch.autograd.grad(self.loss(z), sums)]

    def total(self, *weights):
        z = self.x
        for (layer, after), weight in zip(self.steps, weights, strict=True):
            z = functools.reduce(lambda value, module: module(value), after, F.linear(z, weight, layer.bias))
        return self.loss(z)

    @functools.cached_property
    def hessian(self):
        return torch.autograd.functional.hessian(self.total, tuple(self.weights))

    @functools.cached_property
    def jacobians(self):
        """Of the gradient of each layer, projected back from the errors above it, by the weights above it."""
        found = []
        for h, above in enumerate(self.weights[1:]):
            slope, error, z = self.slopes[h], self.errors[h + 1], self.z[h]

            def projected(V, slope=slope, error=error, z=z):
                return (slope * (error @ V)).T @ z

            found.append(torch.autograd.functional.jacobian(projected, above))
        return found

    def coupling(self, variant, a, b):
        """P of two weights (layer, target, source) of successive layers."""
        (h, i, j), (_, k, m) = a, b
        if variant == "frozen":
            return float(self.jacobians[h][i, j, k, m])
        if variant == "absolute":
            return float((self.z[h][:, j] * self.slopes[h][:, i] * self.errors[h + 1][:, k]).abs().sum()) * (i == m)
        return float(self.hessian[h][h + 1][i, j, k, m])

    @functools.cached_property
    def present(self):
        return [(h, int(i), int(j)) for h, mask in enumerate(self.masks) for i, j in mask.nonzero()]

    def every_pair(self):
        return [(a, b) for a in self.present for b in self.present if b[0] == a[0] + 1]

    def networkx_pairs(self):
        G = nx.DiGraph([((h, j), (h + 1, i)) for h, i, j in self.present])
        return [((a[0][0], a[1][1], a[0][1]), (b[0][0], b[1][1], b[0][1])) for a, b in nx.line_graph(G).edges]

    def igraph_pairs(self):
        vertices = sorted({(h, j) for h, _, j in self.present} | {(h + 1, i) for h, i, _ in self.present})
        number = {vertex: at for at, vertex in enumerate(vertices)}
        g = igraph.Graph([(number[h, j], number[h + 1, i]) for h, i, j in self.present], directed=True)
        return [(self.present[a], self.present[b]) for a, b in g.linegraph().get_edgelist()]

    def parts(self, variant, pairs):
        """Numerator and denominator of beta_eff, summed pair by pair."""
        P = {pair: self.coupling(variant, *pair) for pair in pairs}
        s = dict.fromkeys(self.present, 0.0)
        for (a, _), value in P.items():
            s[a] += value
        return sum(value * s[b] for (_, b), value in P.items()), sum(P.values())
