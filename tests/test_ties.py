"""One matrix in several places: a bias used twice, a kernel unrolled at two sizes, parameters in one memory."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import nngraph as nng
from nngraph.errors import RoundTripError, UnsupportedLayerError


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


class Again(nn.Module):
    def __init__(self):
        super().__init__()
        self.step = nn.Linear(5, 5)

    def forward(self, x):
        for _ in range(3):
            x = torch.relu(self.step(x))
        return x


class Pyramid(nn.Module):
    """One convolution at two sizes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        return self.conv(F.max_pool2d(torch.relu(self.conv(x)), 2))


def bits(model):
    return {name: t.detach().numpy().tobytes() for name, t in model.state_dict().items()}


RANDOM = {
    "noise": lambda G, **more: nng.ops.add_noise(G, 0.1, rng=1, **more),
    "prune": lambda G, **more: nng.ops.prune(G, 0.5, order="random", rng=1, **more),
    "flip": lambda G, **more: nng.ops.flip_signs(G, 0.5, order="random", rng=1, **more),
    "null": lambda G, **more: nng.nulls.randomize(G, "A", rng=1, **more),
}


@pytest.mark.parametrize("operation", RANDOM.values(), ids=RANDOM.keys())
@pytest.mark.parametrize("blocks", [None, "step", "step@2"])
def test_a_bias_that_is_used_three_times_is_probed_once(operation, blocks):
    model = Again()
    G = nng.from_torch(model, example_input=torch.randn(2, 5))
    H = operation(G, blocks=blocks, bias="probe")
    assert all(np.array_equal(block.bias, H.block(0).bias) for block in H.blocks)
    assert not np.array_equal(H.block(0).bias, G.block(0).bias)
    assert np.array_equal(nng.to_torch(H, model).step.bias.detach().numpy(), H.block(0).bias)


def test_a_bias_is_set_to_zero_wherever_it_is_used():
    model = Again()
    H = nng.ops.binarize(nng.from_torch(model, example_input=torch.randn(2, 5)), blocks="step@2", bias="zero")
    assert not nng.to_torch(H, model).step.bias.any()


@pytest.mark.parametrize("blocks", [None, "conv", "conv@2"])
@pytest.mark.parametrize("scope", ["block", "global"])
def test_a_kernel_unrolled_at_two_sizes_is_changed_at_both(blocks, scope):
    model = Pyramid()
    G = nng.from_torch(model, example_input=torch.randn(1, 2, 6, 6), conv="unrolled")
    H = nng.ops.binarize(G, blocks=blocks, bias="zero")
    new = nng.to_torch(H, model)
    assert np.array_equal(new.conv.weight.detach().numpy(), np.sign(model.conv.weight.detach().numpy()))
    assert not new.conv.bias.any()
    pruned = nng.ops.prune(G, 0.5, scope=scope, blocks=blocks)
    assert [b.n_edges for b in pruned.blocks] == [512, 98] or (scope == "global" and pruned.n_edges == 610)
    with pytest.raises(RoundTripError, match="conv"):
        nng.to_torch(nng.ops.add_noise(G, 0.1, rng=1), model)


def test_one_kernel_with_two_dilations_keeps_both_supports():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(1, 1, 3, padding=1)
            self.b = nn.Conv2d(1, 1, 3, padding=2, dilation=2)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))

    model = Twice()
    G = nng.from_torch(model, example_input=torch.randn(1, 1, 5, 5), conv="unrolled")
    H = nng.ops.binarize(G)
    assert all(new.same_support(old) for new, old in zip(H.blocks, G.blocks, strict=True))
    assert np.array_equal(nng.to_torch(H, model).b.weight.detach().numpy(), np.sign(model.a.weight.detach().numpy()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("masks", [False, True])
def test_kernel_entries_that_meet_only_padding_keep_their_bits(dtype, masks):
    model = nn.Conv2d(1, 2, 3, padding=1).to(dtype)
    G = nng.from_torch(model, example_input=torch.randn(1, 1, 1, 1, dtype=dtype), conv="unrolled")
    assert G.n_edges == 2
    assert torch.equal(nng.to_torch(G, model, masks=masks).weight, model.weight)
    new = nng.to_torch(nng.ops.binarize(G), model, masks=masks).weight.detach()
    wanted = model.weight.detach().clone()
    wanted[:, :, 1, 1] = wanted[:, :, 1, 1].sign()
    assert torch.equal(new, wanted)


def test_sizes_that_see_different_entries_of_one_kernel_agree():
    model = Pyramid()
    G = nng.from_torch(model, example_input=torch.randn(1, 2, 2, 2), conv="unrolled")  # then 1x1: the centre alone
    assert bits(nng.to_torch(G, model)) == bits(model)
    pruned = nng.to_torch(G.with_support(np.abs(G.weights()) > 0.1), model, masks=True)
    assert torch.equal(pruned.conv.weight, model.conv.weight * (model.conv.weight.abs() > 0.1))
    again = nng.from_torch(pruned, example_input=torch.randn(1, 2, 2, 2), conv="unrolled")
    assert bits(nng.to_torch(again, pruned)) == bits(pruned)


@pytest.mark.parametrize("transposed", [False, True])
def test_parameters_that_share_memory_are_refused(transposed):
    a, b = nn.Linear(4, 4), nn.Linear(4, 4)
    b.weight.data = a.weight.data.T if transposed else a.weight.data
    with pytest.raises(UnsupportedLayerError, match=r"'0.weight' and '1.weight': they share memory"):
        nng.from_torch(nn.Sequential(a, b))
    assert nng.from_torch(nn.Sequential(a, b), layers="0").n_edges == 16


def test_a_part_of_another_parameter_is_refused():
    packed = nn.Linear(4, 8)
    part = nn.Linear(4, 4)
    part.weight = nn.Parameter(packed.weight.detach()[4:])
    with pytest.raises(UnsupportedLayerError, match="share memory"):
        nng.from_torch(nn.ModuleList([packed, part]))
    part.weight = nn.Parameter(packed.weight.detach()[4:].clone())
    assert nng.from_torch(nn.ModuleList([packed, part])).n_edges == 48


def test_convolutions_of_other_groups_that_share_a_kernel_are_refused():
    a, b = nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(2, 4, 3)
    b.weight = a.weight
    with pytest.raises(UnsupportedLayerError, match="groups"):
        nng.from_torch(nn.ModuleList([a, b]), conv="entry")


def test_tied_modules_keep_their_names_whichever_runs_first():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared, self.source, self.target = (nn.Embedding(7, 3) for _ in range(3))
            self.source.weight = self.target.weight = self.shared.weight
            self.head = nn.Linear(3, 7, bias=False)
            self.head.weight = self.shared.weight

        def forward(self, ids):
            return self.head(self.target(ids) + self.source(ids + 1))

    model = Pair()
    G = nng.from_torch(model, example_input=torch.tensor([[1, 2]]))
    assert [block.name for block in G.blocks] == ["target", "source", "head"]
    assert {block.origin.parameter for block in G.blocks} == {"shared.weight"}
    assert bits(nng.to_torch(G, model)) == bits(model)
    assert not model.target._forward_hooks
    assert not model.target._forward_pre_hooks
