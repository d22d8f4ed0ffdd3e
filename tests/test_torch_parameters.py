"""Parameters that no layer of torch holds, used in F.linear or a product, with their biases."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import nngraph as nng


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


class Autoencoder(nn.Module):
    """The decoder is the transposed encoder, with a bias of its own."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(6, 4)
        self.back = nn.Parameter(torch.randn(6))

    def forward(self, x):
        return F.linear(torch.tanh(self.encode(x)), self.encode.weight.T, self.back)


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.w, self.b, self.v = (nn.Parameter(torch.randn(shape)) for shape in ((4, 3), (4,), (4, 2)))
        self.shift = nn.Parameter(torch.randn(2))

    def forward(self, x):
        return F.linear(x, self.w, self.b).relu() @ self.v + self.shift


def test_a_bias_given_to_f_linear_is_the_bias_of_the_block():
    model = Bare()
    G = nng.from_torch(model, example_input=torch.randn(2, 3))
    assert np.array_equal(G.block("w").bias, model.b.detach().numpy())
    assert G.block("v").bias is None
    assert [(s.module, s.kind) for s in G.skipped] == [("shift", "Parameter")]
    new = nng.to_torch(nng.ops.binarize(G, bias="probe"), model)
    assert torch.equal(new.b, model.b.sign())
    assert torch.equal(new.shift, model.shift)


def test_a_tied_decoder_keeps_its_own_bias():
    model = Autoencoder()
    G = nng.from_torch(model, example_input=torch.randn(2, 6))
    assert [part.size for part in G.parts] == [6, 4, 6]
    first, second = G.blocks
    assert first.origin.key == second.origin.key
    assert np.array_equal(second.bias, model.back.detach().numpy())
    assert G.skipped == ()
    new = nng.to_torch(nng.ops.binarize(G, bias="zero"), model)
    assert torch.equal(new.encode.weight, model.encode.weight.sign())
    assert not new.back.any()
    assert not new.encode.bias.any()


def test_one_bias_under_two_matrices_is_changed_once():
    class Twice(Bare):
        def forward(self, x):
            return F.linear(F.linear(x, self.w, self.b), self.v.T, self.shift) + F.linear(x, self.u, self.shift)

        def __init__(self):
            super().__init__()
            self.u = nn.Parameter(torch.randn(2, 3))

    model = Twice()
    G = nng.from_torch(model, example_input=torch.randn(2, 3))
    assert np.array_equal(G.block("v").bias, G.block("u").bias)
    H = nng.ops.add_noise(G, 0.1, bias="probe", rng=1)
    assert np.array_equal(H.block("v").bias, H.block("u").bias)
    assert np.array_equal(nng.to_torch(H, model).shift.detach().numpy(), H.block("u").bias)


def test_the_model_itself_has_a_name_among_what_is_left_out():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.scale = nn.Linear(3, 2), nn.Parameter(torch.ones(2))

        def forward(self, x):
            return self.scale * self.layer(x)

    assert "not in the graph: the model itself (Scaled)" in repr(nng.from_torch(Scaled()))


@pytest.mark.parametrize("beta", [0, 2])
def test_a_scaled_bias_is_no_bias_of_the_block(beta):
    class Scaled(Bare):
        def forward(self, x):
            return torch.addmm(self.b, x, self.w.T, beta=beta)

    G = nng.from_torch(Scaled(), example_input=torch.randn(2, 3))
    assert G.block("w").bias is None
    assert "b" in [s.module for s in G.skipped]


def test_a_bias_that_is_broadcast_stays_out_of_the_graph():
    class Broadcast(Bare):
        def forward(self, x):
            return F.linear(x, self.w, self.one)

        def __init__(self):
            super().__init__()
            self.one = nn.Parameter(torch.randn(1))

    G = nng.from_torch(Broadcast(), example_input=torch.randn(2, 3))
    assert G.block("w").bias is None
