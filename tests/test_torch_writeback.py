"""The way back: bit for bit where nothing was edited, the graph's weights where something was, else a clear refusal."""

import copy
import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

import nngraph as nng
from nngraph.convert.torch import WriteBack
from nngraph.errors import ArgumentError, RoundTripError


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def state(model):
    """Every parameter and buffer, as bytes: -0.0 differs from 0.0, and one NaN from another."""
    tensors = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers(remove_duplicate=False))
    return {
        name: (t.dtype, tuple(t.shape), t.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        for name, t in tensors.items()
    }


def sprinkle(model):
    """Put zeros of both signs among the weights."""
    with torch.no_grad():
        for parameter in model.parameters():
            place = torch.arange(parameter.numel()).reshape(parameter.shape)
            parameter[place % 5 == 0] = 0.0
            parameter[place % 7 == 1] = -0.0
    return model


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.out = nn.Embedding(9, 4), nn.Linear(4, 9)
        self.out.weight = self.emb.weight

    def forward(self, ids):
        return self.out(self.emb(ids))


MODELS = {
    "mlp": lambda: nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 2, bias=False)),
    "one layer": lambda: nn.Linear(3, 2),
    "embedding": lambda: nn.Embedding(6, 3, padding_idx=0),
    "convolutions": lambda: nn.Sequential(
        nn.Conv1d(4, 6, 3, groups=2), nn.Conv2d(3, 2, (2, 3)), nn.Conv3d(2, 2, 2), nn.Conv2d(30, 30, 3, groups=30)
    ),
    "channels last": lambda: nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last),
    "attention": lambda: nn.MultiheadAttention(8, 2),
    "attention with other sizes": lambda: nn.MultiheadAttention(8, 2, kdim=3, vdim=5, bias=False),
    "encoder": lambda: nn.TransformerEncoderLayer(8, 2, 16),
    "rnn": lambda: nn.RNN(3, 4, num_layers=2, bidirectional=True),
    "gru": lambda: nn.GRU(3, 4, bias=False),
    "lstm": lambda: nn.LSTM(3, 4, proj_size=2, num_layers=2),
    "tied": Tied,
    "half": lambda: nn.Linear(5, 4).half(),
    "bfloat16": lambda: nn.Sequential(nn.Linear(5, 4), nn.Embedding(5, 3)).bfloat16(),
    "double": lambda: nn.Linear(5, 4).double(),
    "transposed storage": lambda: _transposed_storage(),
}


def _transposed_storage():
    layer = nn.Linear(4, 3)
    layer.weight = nn.Parameter(torch.randn(4, 3).T)
    return layer


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("zeros", ["drop", "keep"])
def test_to_torch_of_from_torch_is_bit_identical(name, zeros):
    model = sprinkle(MODELS[name]())
    model.register_buffer("odd", torch.tensor([0x7FC00001, 0x7FC12345], dtype=torch.int32).view(torch.float32))
    before = state(model)
    G = nng.from_torch(model, conv="entry", zeros=zeros)
    assert state(nng.to_torch(G, model)) == before
    assert state(model) == before


@pytest.mark.parametrize("name", MODELS)
def test_applied_writes_the_graph_and_restores_every_bit(name):
    model = sprinkle(MODELS[name]())
    before = state(model)
    G = nng.from_torch(model, conv="entry")
    H = G.with_weights(-2 * G.weights())
    with nng.applied(H, model) as same:
        assert same is model
        assert nng.from_torch(model, conv="entry") == H
        assert state(model) != before
    assert state(model) == before


@pytest.mark.parametrize("name", [n for n in MODELS if n != "convolutions"])
def test_an_absent_edge_is_written_as_zero(name):
    model = MODELS[name]()
    G = nng.from_torch(model, conv="entry", zeros="keep")
    if name == "tied":
        keep = np.random.default_rng(0).random((9, 4)) < 0.5
        H = G.with_support(np.concatenate([keep.T.ravel(), keep.ravel()]))
    else:
        H = G.with_support(np.random.default_rng(0).random(G.n_edges) < 0.5)
    again = nng.from_torch(nng.to_torch(H, model), conv="entry", zeros="keep")
    for new, block in zip(again.blocks, H.blocks, strict=True):
        np.testing.assert_array_equal(new.dense(), block.dense())


@st.composite
def chains(draw):
    """A random chain of layers of matching sizes, of one float type, with random zeros and pruning masks."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=2, max_size=5))
    torch.manual_seed(draw(st.integers(0, 1000)))
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        kind = draw(st.sampled_from(["linear", "conv", "grouped", "embedding", "gru", "attention"]))
        bias = draw(st.booleans())
        layers.append(
            {
                "linear": lambda n=n_in, m=n_out, b=bias: nn.Linear(n, m, bias=b),
                "conv": lambda n=n_in, m=n_out, b=bias: nn.Conv1d(n, m, 2, bias=b),
                "grouped": lambda n=n_in, m=n_out, b=bias: nn.Conv2d(n, n * m, 1, groups=n, bias=b),
                "embedding": lambda n=n_in, m=n_out: nn.Embedding(n, m),
                "gru": lambda n=n_in, m=n_out, b=bias: nn.GRU(n, m, bias=b),
                "attention": lambda n=n_in, b=bias: nn.MultiheadAttention(n, 1, bias=b),
            }[kind]()
        )
    model = sprinkle(nn.Sequential(*layers)).to(draw(st.sampled_from([torch.float32, torch.bfloat16, torch.float64])))
    for layer in layers:
        if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Embedding)) and draw(st.booleans()):
            prune.random_unstructured(layer, "weight", 0.5)
    return model


@given(model=chains(), zeros=st.sampled_from(["drop", "keep"]), seed=st.integers(0, 99))
def test_any_chain_comes_back_bit_for_bit_and_any_edit_is_written(model, zeros, seed):
    before = state(model)
    G = nng.from_torch(model, conv="entry", zeros=zeros)
    assert state(nng.to_torch(G, model)) == before
    rng = np.random.default_rng(seed)
    H = G.with_support(rng.random(G.n_edges) < 0.7)
    H = H.with_weights(rng.permutation(H.weights()))
    with nng.applied(H, model):
        again = nng.from_torch(model, conv="entry", zeros=zeros)
        for new, block in zip(again.blocks, H.blocks, strict=True):
            np.testing.assert_array_equal(new.dense(), block.dense())
    assert state(model) == before


# ------------------------------------------------------------------ convolutions


@pytest.mark.parametrize("groups", [1, 2])
def test_unrolled_graph_comes_back_if_all_copies_agree(groups):
    model = sprinkle(nn.Conv2d(4, 4, 3, padding=1, groups=groups))
    G = nng.from_torch(model, conv="unrolled", example_input=torch.randn(1, 4, 5, 5))
    before = state(model)
    assert state(nng.to_torch(G, model)) == before
    new = nng.to_torch(G.with_weights(3 * G.weights()), model)
    assert torch.equal(new.weight, 3 * model.weight)
    strong = nng.to_torch(G.with_support(np.abs(G.weights()) > 0.1), model)
    assert torch.equal(strong.weight, torch.where(model.weight.abs() > 0.1, model.weight, 0.0))


def test_unrolled_graph_with_copies_that_differ_is_refused_and_nothing_is_written():
    model = nn.Sequential(nn.Linear(2, 2), nn.Conv1d(2, 3, 3, padding=1))
    G = nng.from_torch(model, conv="unrolled", example_input=torch.randn(1, 2, 2), layers="1")
    before = state(model)
    weights = G.weights()
    weights[0] += 1
    with (
        pytest.raises(RoundTripError, match=r"block '1': 1 of 24 edges differ .*'1\.weight'"),
        nng.applied(G.with_weights(weights), model),
    ):
        pass
    assert state(model) == before


def test_bias_of_an_unrolled_graph_must_agree_over_places():
    model = nn.Conv1d(1, 1, 2)
    G = nng.from_torch(model, conv="unrolled", example_input=torch.randn(1, 1, 4))
    block = G.blocks[0].replace(bias=np.array([1.0, 1.0, 2.0], dtype=np.float32))
    with pytest.raises(RoundTripError, match="bias differs between the places"):
        nng.to_torch(G.replace_blocks([block]), model)


def test_edges_between_groups_cannot_be_written():
    model = nn.Conv1d(4, 4, 1, groups=2)
    G = nng.from_torch(model, conv="entry")
    full = G.blocks[0].with_matrix(np.ones((4, 4), dtype=np.float32))
    with pytest.raises(RoundTripError, match="between the 2 groups"):
        nng.to_torch(G.replace_blocks([full]), model)


def test_channel_graph_cannot_be_written():
    model = nn.Conv2d(2, 3, 3)
    with pytest.raises(RoundTripError, match=r"channel graph.*conv='entry'"):
        nng.to_torch(nng.from_torch(model, conv="channel"), model)


# -------------------------------------------------------------------- refusals


def test_tied_blocks_that_disagree_are_refused():
    model = Tied()
    G = nng.from_torch(model)
    weights = G.weights()
    weights[0] += 1
    with pytest.raises(RoundTripError, match=r"'emb' and 'out'.*tied"):
        nng.to_torch(G.with_weights(weights), model)
    keep = np.ones(G.n_edges, dtype=bool)
    keep[0] = False
    with pytest.raises(RoundTripError, match="tied"):
        nng.to_torch(G.with_support(keep), model)


MISFITS = {
    "another name": (nn.ModuleDict({"fc9": nn.Linear(3, 2)}), r"block 'fc'.*'fc\.weight'.*'fc9\.weight'"),
    "another shape": (nn.ModuleDict({"fc": nn.Linear(4, 2)}), r"'fc'.*\(2, 3\).*\(2, 4\)"),
    "no bias": (nn.ModuleDict({"fc": nn.Linear(3, 2, bias=False)}), r"'fc'.*'fc\.bias'"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_graph_of_another_model_is_refused_by_name(name):
    other, message = MISFITS[name]
    G = nng.from_torch(nn.ModuleDict({"fc": nn.Linear(3, 2)}))
    before = state(other)
    with pytest.raises(RoundTripError, match=message), nng.applied(G, other):
        pass
    assert state(other) == before


def test_graph_without_origins_is_written_by_position():
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 4))
    first, second = np.arange(6.0).reshape(2, 3), np.arange(8.0).reshape(4, 2)
    new = nng.to_torch(nng.from_matrices([first, second]), model)
    np.testing.assert_array_equal(new[0].weight.detach(), first)
    np.testing.assert_array_equal(new[2].weight.detach(), second)
    assert torch.equal(new[0].bias, model[0].bias)
    with pytest.raises(RoundTripError, match=r"\(2, 3\).*\(4, 2\)"):
        nng.to_torch(nng.from_matrices([first]), model)


def test_graph_with_some_origins_is_refused():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 4))
    G = nng.from_torch(model)
    mixed = G.replace_blocks([G.blocks[0].replace(origin=None), G.blocks[1]])
    with pytest.raises(RoundTripError, match="block '0': got no origin"):
        nng.to_torch(mixed, model)


# -------------------------------------------------------------------- WriteBack


def test_applied_restores_after_an_exception_and_when_nested():
    model = nn.Linear(3, 2)
    G = nng.from_torch(model)
    before = state(model)
    with pytest.raises(KeyError), nng.applied(G.with_weights(2 * G.weights()), model):
        raise KeyError
    assert state(model) == before
    with nng.applied(G.with_weights(2 * G.weights()), model):
        outer = state(model)
        with nng.applied(G.with_weights(3 * G.weights()), model):
            assert state(model) != outer
        assert state(model) == outer
    assert state(model) == before


def test_writer_writes_only_blocks_that_changed():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    G = nng.from_torch(model)
    writer = WriteBack(model, G)
    writer.write(G)
    versions = [p._version for p in model.parameters()]
    writer.write(G)
    assert [p._version for p in model.parameters()] == versions
    changed = G.replace_blocks([G.blocks[0], G.blocks[1].with_values(-G.blocks[1].values)])
    writer.write(changed)
    assert [p._version for p in model.parameters()] == [*versions[:2], versions[2] + 1, versions[3]]


def test_writer_notices_that_the_model_was_trained_in_between():
    model = nn.Linear(3, 2)
    G = nng.from_torch(model)
    writer = WriteBack(model, G)
    writer.write(G)
    with torch.no_grad():
        model.weight.zero_()
    writer.write(G)
    assert nng.from_torch(model) == G


def test_writer_takes_graphs_of_other_origins_and_restores_all():
    model = nn.MultiheadAttention(4, 2)
    before = state(model)
    G = nng.from_torch(model)
    whole = copy.deepcopy(G.blocks[0].origin)
    packed = nng.NeuralGraph(
        [nng.Block.from_dense("in", "x", "qkv", np.ones((12, 4), np.float32), origin=dataclasses.replace(
            whole, rows=None, bias=None, bias_rows=None))]
    )  # fmt: skip
    writer = WriteBack(model, G)
    writer.write(G.with_weights(2 * G.weights()))
    writer.write(packed)
    assert bool((model.in_proj_weight == 1).all())
    writer.write(G)
    assert nng.from_torch(model) == G
    writer.restore()
    assert state(model) == before


def test_parameters_stay_the_same_objects_with_their_flags_and_gradients():
    model = nn.Linear(3, 2)
    model.weight.grad = torch.ones(2, 3)
    model.bias.requires_grad_(False)
    weight, pointer = model.weight, model.weight.data_ptr()
    with nng.applied(nng.from_torch(model), model):
        assert model.weight is weight
        assert model.weight.data_ptr() == pointer
    assert torch.equal(model.weight.grad, torch.ones(2, 3))
    assert model.weight.requires_grad
    assert not model.bias.requires_grad


def test_autograd_notices_a_write_between_forward_and_backward():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    G = nng.from_torch(model)
    loss = model(torch.randn(1, 3)).sum()
    with nng.applied(G.with_weights(2 * G.weights()), model), pytest.raises(RuntimeError, match="inplace operation"):
        loss.backward()


def test_wrapped_models_are_written_inside():
    model = nn.DataParallel(nn.Linear(3, 2))
    G = nng.from_torch(model)
    new = nng.to_torch(G.with_weights(2 * G.weights()), model)
    assert isinstance(new, nn.DataParallel)
    assert torch.equal(new.module.weight, 2 * model.module.weight)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_cuda_models_are_converted_written_and_restored(dtype):
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)).to("cuda", dtype)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    G = nng.from_torch(model, example_input=torch.randn(3, 5, device="cuda", dtype=dtype))
    assert [part.name for part in G.parts] == ["input", "0", "2"]
    with nng.applied(G.with_weights(2 * G.weights()), model):
        assert torch.equal(model[0].weight, 2 * before["0.weight"])
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


def test_a_model_on_the_meta_device_takes_no_weights():
    G = nng.from_torch(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)))
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2, device="meta"))
    before = model[0].weight.clone()
    with pytest.raises(RoundTripError, match=r"'1.weight': .*meta device"), nng.applied(G, model):
        pass
    with pytest.raises(RoundTripError, match="meta device"):
        nng.to_torch(G, model)
    assert torch.equal(model[0].weight, before)


@pytest.mark.parametrize(("dtype", "scale"), [(torch.float16, 1e6), (torch.bfloat16, 3.399e38), (torch.float32, 1e60)])
def test_weights_beyond_the_range_of_the_model_are_refused(dtype, scale):
    G = nng.from_matrices([np.array([[1.0, -1.0]])], biases=[np.array([0.5])])
    model = nn.Linear(2, 1).to(dtype)
    before = state(model)
    with pytest.raises(RoundTripError, match=r"'weight': got the magnitude .*; the model's b?float"):
        nng.to_torch(G.with_weights(scale * G.weights()), model)
    bad = G.block(0).replace(bias=np.array([scale]))
    with pytest.raises(RoundTripError, match=r"'bias': got the magnitude"), nng.applied(G.replace_blocks([bad]), model):
        pass
    assert state(model) == before
    assert nng.to_torch(G, model).weight.tolist() == [[1.0, -1.0]]


OPERATIONS = {
    "noise": lambda G: nng.ops.add_noise(G, 0.1, bias="probe", rng=1),
    "binarize": lambda G: nng.ops.binarize(G, scale="mean_abs", bias="probe"),
    "prune": lambda G: nng.ops.prune(G, 0.5, bias="probe"),
    "sparse": lambda G: nng.ops.add_noise(nng.ops.prune(G, 0.97), 0.1, rng=1),
    "weights": lambda G: G.with_weights(np.linspace(-1, 1, G.n_edges)),
    "null": lambda G: nng.nulls.randomize(G, "C", bias="probe", rng=1),
}


def through_igraph(G):
    g = G.to_igraph()
    g.es["weight"] = np.linspace(-1, 1, G.n_edges).tolist()
    return nng.from_igraph(g)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("change", [*OPERATIONS.values(), through_igraph], ids=[*OPERATIONS, "igraph"])
def test_the_model_holds_exactly_what_the_edited_graph_says(dtype, change):
    model = nn.Sequential(nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 3)).to(dtype)
    H = change(nng.from_torch(model))
    again = nng.from_torch(nng.to_torch(H, model, masks=True), zeros="keep")
    assert again == H


def test_bfloat16_is_rounded_as_torch_rounds_it():
    values = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    values[:4] = [np.float32(1 + 2**-8), np.float32(1 + 3 * 2**-8), 1e-40, -1e-45]
    model = nn.Linear(1000, 1, bias=False).bfloat16()
    H = nng.from_torch(model, zeros="keep").with_weights(values)
    assert np.array_equal(H.weights(), torch.from_numpy(values).bfloat16().float().numpy())
    with pytest.raises(ArgumentError, match="beyond"):
        H.with_weights(np.full(1000, 3.4e38))


def test_a_channel_graph_holds_sums_beyond_the_range_of_half_precision():
    model = nn.Conv2d(1, 1, 3).half()
    model.weight.data.fill_(3e4)
    block = nng.from_torch(model, conv="channel").block(0)
    assert block.dtype == "float32"
    assert block.values == pytest.approx(27e4, rel=1e-3)
