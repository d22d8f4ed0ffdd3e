"""Steps between weights: what keeps the neurons, what copies them, what ends a part, and that sums add up."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import nngraph as nng


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


class Net(nn.Module):
    """A model of named modules and a forward function."""

    def __init__(self, forward, **modules):
        super().__init__()
        self.run = forward
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *args, **kwargs):
        return self.run(self, *args, **kwargs)


def wires(G):
    """Block name -> (source part, target part)."""
    return {block.name: (block.source, block.target) for block in G.blocks}


def linear(n_in=4, n_out=4):
    return nn.Linear(n_in, n_out)


X = torch.arange(12.0).reshape(3, 4)


KEEPING = {
    "activation": F.gelu,
    "in-place activation": lambda h: h.relu_(),
    "dropout": lambda h: F.dropout(h, 0.5),
    "scaling": lambda h: 2 * h / h.norm() - 1,
    "layer norm": lambda h: F.layer_norm(h, (4,)),
    "normalize": lambda h: F.normalize(h, dim=-1),
    "view and back": lambda h: h.view(3, 2, 2).transpose(0, 1).permute(1, 0, 2).reshape(3, 4),
    "chunk and cat": lambda h: torch.cat(h.chunk(2, dim=-1), -1),
    "mean over places": lambda h: h.expand(5, 3, 4).mean(0),
    "maximum over places": lambda h: h.expand(5, 3, 4).max(dim=0).values,
    "one place": lambda h: h[None].expand(2, 3, 4)[:, 0],
    "mixing of places": lambda h: torch.softmax(torch.ones(3, 3), -1) @ h,
    "masking": lambda h: torch.where(h > 0, h, 0.0).masked_fill(h > 1, 0),
    "cast": lambda h: h.double().float(),
    "padding of places": lambda h: F.pad(h, (0, 0, 1, 1)),
}


@pytest.mark.parametrize("name", KEEPING)
def test_steps_that_keep_the_neurons_keep_the_part(name):
    G = nng.from_torch(Net(lambda m, x: m.b(KEEPING[name](m.a(x))), a=linear(), b=linear()), example_input=X)
    assert wires(G) == {"a": ("input", "a"), "b": ("a", "b")}
    assert G.links == ()


COPYING = {
    "slice": (lambda h: h[:, 1:3], [1, 2]),
    "flip": (lambda h: h.flip(-1), [3, 2, 1, 0]),
    "interleave": (lambda h: h.view(3, 2, 2).mT.reshape(3, 4), [0, 2, 1, 3]),
    "repeat": (lambda h: h.repeat(1, 2), [0, 1, 2, 3, 0, 1, 2, 3]),
    "choice": (lambda h: h[:, [3, 0]], [3, 0]),
    "with constants": (lambda h: torch.cat([h, torch.ones(3, 2)], -1), [0, 1, 2, 3, -1, -1]),
    "padded": (lambda h: F.pad(h, (1, 0)), [-1, 0, 1, 2, 3]),
}


@pytest.mark.parametrize("name", COPYING)
def test_moved_features_are_copies_with_the_right_index(name):
    move, index = COPYING[name]
    G = nng.from_torch(Net(lambda m, x: m.b(move(m.a(x))), a=linear(), b=linear(len(index))), example_input=X)
    assert wires(G)["b"] == ("b.in", "b")
    (link,) = G.links
    assert (link.source, link.target, link.kind) == ("a", "b.in", "replica")
    np.testing.assert_array_equal(link.index, index)


ENDING = {
    "cumulative sum": lambda h: h.cumsum(-1),
    "sorting": lambda h: h.sort(-1).values,
    "mixing of features": lambda h: h @ torch.ones(4, 4),
    "sum of features": lambda h: h.sum(-1, keepdim=True).expand(3, 4),
    "fourier": lambda h: torch.fft.fft(h).real,
    "product of activations": lambda h: (h @ h.T)[:, :1].expand(3, 4),
    "places as features": lambda h: torch.cat([h, h[:1]]).T,
    "written into a buffer": lambda h: torch.zeros(3, 4).index_copy_(0, torch.arange(3), h),
    "im2col": lambda h: F.unfold(h.view(3, 1, 2, 2), 2, padding=0).view(3, 4),
    "overwritten": lambda h: h.view(3, 4).index_fill_(1, torch.tensor([0]), 1.0),
}


@pytest.mark.parametrize("name", ENDING)
def test_what_is_not_understood_ends_the_part(name):
    G = nng.from_torch(Net(lambda m, x: m.b(ENDING[name](m.a(x))), a=linear(), b=linear()), example_input=X)
    assert wires(G) == {"a": ("input", "a"), "b": ("b.in", "b")}
    assert G.links == ()


def test_writing_in_place_drops_what_is_known_of_views():
    def forward(m, x):
        h = m.a(x)
        view = h[:, :]
        h.copy_(h.flip(-1))
        return m.b(view)

    assert wires(nng.from_torch(Net(forward, a=linear(), b=linear()), example_input=X))["b"] == ("b.in", "b")


def test_the_trace_leaves_no_trace():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.Flatten(), nn.Linear(32, 2))
    model[2].eval()
    model.register_buffer("calls", torch.zeros(()))
    model.register_forward_pre_hook(lambda m, args: m.calls.add_(1) and None)
    model[4].weight.grad = torch.ones(2, 32)
    model[4].bias.requires_grad_(False)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [m.training for m in model.modules()]
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    random = torch.get_rng_state()
    nng.from_torch(model, conv="entry", example_input=torch.randn(1, 1, 6, 6, generator=torch.Generator()))
    assert torch.equal(torch.get_rng_state(), random)
    assert [m.training for m in model.modules()] == modes
    assert [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()] == hooks
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert not model[4].bias.requires_grad
    assert torch.equal(model[4].weight.grad, torch.ones(2, 32))
    assert torch.backends.mha.get_fastpath_enabled()


def test_inputs_made_in_inference_mode_can_be_traced():
    with torch.inference_mode():
        x = torch.ones(2, 4)
    assert wires(nng.from_torch(Net(lambda m, x: m.a(x), a=linear()), example_input=x)) == {"a": ("input", "a")}


# ---------------------------------------------------------------- the law of links


class Program(nn.Module):
    """A random linear program: each step makes a new tensor of those before it; mixing places is the identity here."""

    def __init__(self, steps, n_in, n_out):
        super().__init__()
        self.steps = steps
        self.first = nn.Linear(n_in, 3, bias=False)
        sizes = [n_in, 3]
        for i, (kind, a, b, k) in enumerate(steps):
            n = sizes[a]
            if kind == "linear":
                setattr(self, f"w{i}", nn.Linear(n, k, bias=False))
            sizes.append({"linear": k, "cat": n + sizes[b], "slice": max(n // 2, 1)}.get(kind, n))
        self.out = nn.Linear(sizes[-1], n_out, bias=False)

    def forward(self, x):
        values = [x, self.first(x)]
        for i, (kind, a, b, _) in enumerate(self.steps):
            u, v = values[a], values[b]
            if kind == "linear":
                new = getattr(self, f"w{i}")(u)
            elif kind == "add":
                # Twice the same neurons is a scaling, which is no link.
                new = u + v if u.shape == v.shape and not torch.allclose(u, v) else u
            elif kind == "add in place":
                new = u.clone()
                if u.shape == v.shape and not torch.allclose(u, v):
                    new += v
            elif kind == "cat":
                new = torch.cat([u, v], -1)
            elif kind == "slice":
                new = u[..., : max(u.shape[-1] // 2, 1)]
            elif kind == "flip":
                new = u.flip(-1)
            elif kind == "mean":
                new = u.mean(1, keepdim=True).expand(u.shape)
            elif kind == "attention":
                new = F.scaled_dot_product_attention(u, u, u)
            elif kind == "heads":
                heads = u.unflatten(-1, (1, -1)).transpose(1, 2)
                mixing = torch.softmax(heads @ heads.mT, -1)
                new = torch.matmul(mixing, heads).transpose(1, 2).flatten(2)
            else:
                new = u.reshape(-1, u.shape[-1], 1).transpose(1, 2).reshape(u.shape)
            values.append(new)
        return self.out(values[-1])


@st.composite
def programs(draw):
    n_steps = draw(st.integers(1, 8))
    kinds = st.sampled_from(
        [
            "linear",
            "linear",
            "add",
            "add",
            "add in place",
            "cat",
            "slice",
            "flip",
            "views",
            "mean",
            "attention",
            "heads",
        ]
    )
    steps = [
        (draw(kinds), draw(st.integers(max(0, i - 2), i + 1)), draw(st.integers(0, i + 1)), draw(st.integers(3, 4)))
        for i in range(n_steps)
    ]
    return steps, draw(st.integers(0, 99))


def run_graph(G, x):
    """Feed rows to the input part and follow blocks and links; return the value of every part."""
    value = {"input": x}

    def of(part):
        if part not in value:
            total = sum(of(block.source) @ block.dense().T for block in G.blocks if block.target == part)
            for link in (link for link in G.links if link.target == part):
                source = of(link.source)
                if link.index is not None:
                    source = np.where(link.index < 0, 0, source[:, link.index])
                total = total + source
            value[part] = total
        return value[part]

    for part in G.parts:
        of(part.name)
    return value


@settings(max_examples=150)
@given(programs())
def test_a_linear_program_is_its_graph(program):
    steps, seed = program
    torch.manual_seed(seed)
    model = Program(steps, 4, 2).double()
    x = torch.randn(5, 4, dtype=torch.float64)
    same_at_all_places = x[:, None, :].expand(5, 3, 4)
    G = nng.from_torch(model, example_input=same_at_all_places)
    got = run_graph(G, x.numpy())[G.block("out").target]
    np.testing.assert_allclose(got, model(same_at_all_places)[:, 0].detach(), rtol=1e-9, atol=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 99), st.sampled_from([1, 2]), st.integers(1, 2), st.booleans())
def test_a_linear_network_of_pixels_is_its_graph(seed, groups, stride, residual):
    torch.manual_seed(seed)

    def forward(m, x):
        h = m.a(x)
        h = h + m.b(h) if residual else m.b(h)
        return m.out(m.c(h).permute(0, 2, 3, 1).flatten(1))

    model = Net(
        forward,
        a=nn.Conv2d(2, 4, 3, padding=1, bias=False),
        b=nn.Conv2d(4, 4, 3, padding=1, groups=groups, bias=False),
        c=nn.Conv2d(4, 2, 2, stride=stride, bias=False),
        out=nn.Linear({1: 18, 2: 8}[stride], 3, bias=False),
    ).double()
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    G = nng.from_torch(model, conv="unrolled", example_input=x)
    got = run_graph(G, x.flatten(1).numpy())[G.block("out").target]
    np.testing.assert_allclose(got, model(x).detach(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", [False, True])
def test_where_reads_at_each_place_the_operand_that_stands_there(method):
    even = torch.arange(4) % 2 == 0

    def forward(m, x):
        a, b = m.a(x), m.b(x).cumsum(1)  # the part of b ends in the cumulative sum
        return m.out(a.where(even, b) if method else torch.where(even, a, b))

    G = nng.from_torch(Net(forward, a=linear(), b=linear(), out=linear()), example_input=X)
    (link,) = G.links
    assert (link.source, link.target, link.kind) == ("a", "out.in", "replica")
    assert link.index.tolist() == [0, -1, 2, -1]


def test_where_of_two_known_parts_links_each_to_its_own_columns():
    even = torch.arange(4) % 2 == 0
    net = Net(lambda m, x: m.out(torch.where(even, m.a(x), m.b(x))), a=linear(), b=linear(), out=linear())
    links = {link.source: link.index.tolist() for link in nng.from_torch(net, example_input=X).links}
    assert links == {"a": [0, -1, 2, -1], "b": [-1, 1, -1, 3]}
