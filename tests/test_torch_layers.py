"""What an edge is, layer by layer: the graph's matrices, applied by hand, give what the module gives."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import nngraph as nng


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


torch.manual_seed(0)
CONVOLUTIONS = {
    "1d": (nn.Conv1d(3, 4, 3, stride=2, padding=1), (7,)),
    "2d": (nn.Conv2d(2, 3, (3, 2), stride=(1, 2), padding=(1, 0), dilation=(2, 1)), (6, 5)),
    "2d without bias": (nn.Conv2d(2, 3, 3, bias=False), (5, 4)),
    "2d same": (nn.Conv2d(2, 2, 3, padding="same"), (4, 5)),
    "3d": (nn.Conv3d(2, 3, 2), (3, 4, 3)),
    "grouped": (nn.Conv2d(4, 6, 3, groups=2, padding=1), (4, 4)),
    "depthwise": (nn.Conv2d(4, 8, 3, groups=4), (5, 5)),
    "pointwise": (nn.Conv2d(5, 3, 1), (2, 2)),
}


def affine(block, x):
    """Rows of x through a block."""
    y = x @ block.dense().astype(np.float64).T
    return y if block.bias is None else y + block.bias


@pytest.mark.parametrize("bias", [True, False])
def test_linear_block_is_the_linear_map(bias):
    layer = nn.Linear(5, 3, bias=bias)
    x = torch.randn(4, 5)
    (block,) = nng.from_torch(layer).blocks
    assert (block.bias is not None) is bias
    np.testing.assert_allclose(affine(block, x.numpy()), layer(x).detach(), atol=1e-5)


def test_embedding_block_runs_from_the_vocabulary_to_the_features():
    layer = nn.Embedding(7, 3)
    (block,) = nng.from_torch(layer).blocks
    one_hot = np.eye(7)
    assert block.shape == (3, 7)
    np.testing.assert_array_equal(affine(block, one_hot), layer.weight.detach().double())


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_unrolled_block_is_the_convolution_of_pixels(name):
    layer, size = CONVOLUTIONS[name]
    x = torch.randn(3, layer.in_channels, *size)
    G = nng.from_torch(layer, conv="unrolled", example_input=x)
    expected = layer(x).detach().flatten(1)
    np.testing.assert_allclose(affine(G.blocks[0], x.flatten(1).numpy()), expected, atol=1e-5)
    assert [part.name for part in G.parts] == ["input", type(layer).__name__.lower()]


@pytest.mark.parametrize("name", ["1d", "2d", "grouped", "depthwise", "pointwise"])
def test_entry_block_is_the_convolution_of_windows(name):
    layer, size = CONVOLUTIONS[name]
    x = torch.randn(2, layer.in_channels, *size)
    G = nng.from_torch(layer, conv="entry", example_input=x)
    (block,) = G.blocks
    if layer.weight.dim() == 3:
        layer2d, image = nn.Conv2d(1, 1, (layer.kernel_size[0], 1)), x[..., None]
        layer2d.stride, layer2d.padding, layer2d.dilation = (layer.stride[0], 1), (layer.padding[0], 0), (1, 1)
    else:
        layer2d, image = layer, x
    windows = nn.functional.unfold(
        image, layer2d.kernel_size, padding=layer2d.padding, stride=layer2d.stride, dilation=layer2d.dilation
    )
    got = affine(block, windows.transpose(1, 2).numpy())
    np.testing.assert_allclose(got, layer(x).detach().flatten(2).transpose(1, 2), atol=1e-5)
    (link,) = G.links
    n_kernel = int(np.prod(layer.kernel_size))
    assert (link.source, link.target, link.kind) == ("input", block.source, "replica")
    np.testing.assert_array_equal(link.index, np.repeat(np.arange(layer.in_channels), n_kernel))


@pytest.mark.parametrize("name", ["2d", "grouped", "depthwise"])
@pytest.mark.parametrize(
    ("statistic", "of"),
    [("sum", lambda k: k.sum(-1)), ("mean_abs", lambda k: k.abs().mean(-1)), ("norm", lambda k: k.norm(dim=-1))],
)
def test_channel_block_holds_the_named_statistic_of_each_kernel(name, statistic, of):
    layer, _ = CONVOLUTIONS[name]
    (block,) = nng.from_torch(layer, conv="channel", conv_statistic=statistic).blocks
    kernels = of(layer.weight.detach().flatten(2))
    groups, n_out, width = layer.groups, layer.out_channels, kernels.shape[1]
    expected = np.zeros((n_out, layer.in_channels))
    for o in range(n_out):
        start = o * groups // n_out * width
        expected[o, start : start + width] = kernels[o]
    np.testing.assert_allclose(block.dense(), expected, rtol=1e-5, atol=1e-6)
    assert block.n_edges == n_out * width


def test_depthwise_kernel_below_five_percent_is_held_as_compressed_rows():
    layer = nn.Conv2d(40, 40, 3, groups=40)
    (block,) = nng.from_torch(layer, conv="entry").blocks
    assert block.is_sparse
    assert block.n_edges == layer.weight.numel()


@pytest.mark.parametrize("sizes", [{}, {"kdim": 5, "vdim": 6}])
def test_attention_blocks_rebuild_the_attention(sizes):
    layer = nn.MultiheadAttention(8, 2, batch_first=True, **sizes)
    nn.init.normal_(layer.in_proj_bias)
    nn.init.normal_(layer.out_proj.bias)
    q, k, v = torch.randn(2, 3, 8), torch.randn(2, 4, sizes.get("kdim", 8)), torch.randn(2, 4, sizes.get("vdim", 8))
    G = nng.from_torch(layer, example_input=(q, k, v))
    heads = [
        torch.from_numpy(affine(G.block(f"multiheadattention.{role}"), x.numpy())).unflatten(-1, (2, 4)).transpose(1, 2)
        for role, x in zip("qkv", (q, k, v), strict=True)
    ]
    mixing = torch.softmax(heads[0] @ heads[1].mT / 2, dim=-1)
    mixed = (mixing @ heads[2]).transpose(1, 2).flatten(2)
    got = affine(G.block("multiheadattention.out"), mixed.numpy())
    np.testing.assert_allclose(got, layer(q, k, v)[0].detach(), atol=1e-5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(kind, gates, h, c):
    """One time step of a cell, given for each gate its input and its state contribution."""
    total = {gate: a + b for gate, (a, b) in gates.items()}
    if kind == "RNN":
        return np.tanh(total[""]), c
    if kind == "GRU":
        r, z = sigmoid(total["r"]), sigmoid(total["z"])
        n = np.tanh(gates["n"][0] + r * gates["n"][1])
        return (1 - z) * n + z * h, c
    c = sigmoid(total["f"]) * c + sigmoid(total["i"]) * np.tanh(total["g"])
    return sigmoid(total["o"]) * np.tanh(c), c


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM", "LSTM projected"])
def test_recurrent_blocks_rebuild_the_sequence(kind):
    more = {"proj_size": 3} if kind.endswith("projected") else {}
    kind = kind.split()[0]
    torch.manual_seed(1)
    layer = getattr(nn, kind)(4, 5, num_layers=2, bidirectional=True, **more)
    G = nng.from_torch(layer)
    name = kind.lower()
    gates = {"RNN": [""], "GRU": "rzn", "LSTM": "ifgo"}[kind]
    x = torch.randn(6, 2, 4)
    below = x.numpy().astype(np.float64)
    for depth in range(2):
        sides = []
        for direction in ("", ".reverse"):
            place = f"{name}.l{depth}{direction}"
            h, c, out = np.zeros((2, more.get("proj_size", 5))), np.zeros((2, 5)), []
            for t in range(6) if not direction else reversed(range(6)):
                both = {
                    gate: tuple(
                        affine(G.block(f"{place}.{side}.{gate}".rstrip(".")), value)
                        for side, value in (("input", below[t]), ("state", h))
                    )
                    for gate in gates
                }
                h, c = step(kind, both, h, c)
                if more:
                    h = affine(G.block(f"{place}.proj"), h)
                out.append(h)
            sides.append(np.stack(out if not direction else out[::-1]))
        below = np.concatenate(sides, axis=-1)
    with pytest.warns(UserWarning, match="oneDNN") if more else torch.no_grad():
        expected = layer(x)[0]
    np.testing.assert_allclose(below, expected.detach(), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_float_type_is_held_exactly(dtype):
    layer = nn.Linear(40, 30).to(dtype)
    (block,) = nng.from_torch(layer).blocks
    assert block.dtype == str(dtype).removeprefix("torch.")
    assert torch.equal(torch.from_numpy(block.dense().copy()).double(), layer.weight.detach().double())
    assert torch.equal(torch.from_numpy(block.bias.copy()).double(), layer.bias.detach().double())


def test_zero_weights_are_no_edges_unless_kept():
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight[0, 1] = 0
        layer.weight[1, 2] = -0.0
    assert nng.from_torch(layer).n_edges == 4
    kept = nng.from_torch(layer, zeros="keep")
    assert kept.n_edges == 6
    assert np.signbit(kept.blocks[0].dense()[1, 2])


def test_pruning_mask_says_what_is_present():
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight[0, 0] = 0
    prune.custom_from_mask(layer, "weight", torch.tensor([[1, 1, 0], [0, 1, 1]]))
    (block,) = nng.from_torch(layer).blocks
    np.testing.assert_array_equal(block.mask, [[True, True, False], [False, True, True]])
    np.testing.assert_array_equal(block.dense(), layer.weight.detach())
    assert block.origin.parameter == "weight"


def test_pruned_bias_is_read_as_the_model_adds_it():
    layer = nn.Linear(3, 2)
    prune.custom_from_mask(layer, "bias", torch.tensor([1, 0]))
    (block,) = nng.from_torch(layer).blocks
    np.testing.assert_array_equal(block.bias, layer.bias.detach())


def test_normalisation_layers_are_listed_with_a_reason():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.LayerNorm(4), nn.PReLU(), nn.Linear(4, 2))
    skipped = nng.from_torch(model).skipped
    assert [(s.module, s.kind) for s in skipped] == [("1", "BatchNorm1d"), ("2", "LayerNorm"), ("3", "PReLU")]
    assert all(s.reason for s in skipped)


def test_layers_chooses_modules_by_name_pattern_and_container():
    model = nn.ModuleDict({"a": nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), "b": nn.Linear(2, 2)})
    assert [block.name for block in nng.from_torch(model, layers="b").blocks] == ["b"]
    assert [block.name for block in nng.from_torch(model, layers=["a"]).blocks] == ["a.0", "a.1"]
    G = nng.from_torch(model, layers=["a.?"])
    assert [block.name for block in G.blocks] == ["a.0", "a.1"]
    assert [s.module for s in G.skipped] == ["b"]


def test_the_graph_is_a_copy_that_training_does_not_reach():
    layer = nn.Linear(3, 2)
    G = nng.from_torch(layer)
    before = G.weights().copy()
    with torch.no_grad():
        layer.weight.add_(1)
    np.testing.assert_array_equal(G.weights(), before)
    assert not G.blocks[0].dense().flags.writeable
