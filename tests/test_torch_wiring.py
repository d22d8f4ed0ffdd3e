"""Which blocks share a part: expectations written by hand, with and without an example input."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune

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


def links(G):
    return [(link.source, link.target, link.kind) for link in G.links]


def linear(n_in=4, n_out=4):
    return nn.Linear(n_in, n_out)


X = torch.arange(12.0).reshape(3, 4)


def test_mlp_prints_as_its_layer_sizes():
    chain = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 2))
    by_hand = Net(lambda m, x: m.fc2(torch.relu(m.fc1(x.flatten(1)))), fc1=nn.Linear(784, 64), fc2=nn.Linear(64, 2))
    assert repr(nng.from_torch(chain)).startswith("NeuralGraph: 784-64-2, 50,304 edges, ")
    G = nng.from_torch(by_hand, example_input=torch.zeros(2, 1, 28, 28))
    assert repr(G).startswith("NeuralGraph: 784-64-2, 50,304 edges, ")
    assert [part.name for part in G.parts] == ["input", "fc1", "fc2"]


def test_without_example_a_hand_written_model_is_not_linked_and_says_so():
    G = nng.from_torch(Net(lambda m, x: m.b(m.a(x)), a=linear(), b=linear()))
    assert wires(G) == {"a": ("a.in", "a"), "b": ("b.in", "b")}
    assert G.history[0].parameters["parts"] == "unlinked"


def test_nested_sequential_links_through_element_wise_modules():
    inner = nn.Sequential(nn.Linear(4, 5), nn.Dropout(), nn.LayerNorm(5))
    G = nng.from_torch(nn.Sequential(nn.Identity(), inner, nn.GELU(), nn.Linear(5, 2)))
    assert wires(G) == {"1.0": ("input", "1.0"), "3": ("1.0", "3")}
    assert G.history[0].parameters["parts"] == "sequential"


@pytest.mark.parametrize("between", [nn.GLU(), nn.Unflatten(1, (2, 4)), nn.MaxPool1d(2), nn.Softmax2d()])
def test_sequential_ends_a_part_where_a_module_moves_features(between):
    G = nng.from_torch(nn.Sequential(nn.Linear(4, 8), between, nn.Linear(4, 2)))
    assert wires(G)["2"] == ("2.in", "2")


def test_sequential_flatten_repeats_channels_over_their_pixels():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 2))
    G = nng.from_torch(model, conv="channel")
    traced = nng.from_torch(model, conv="channel", example_input=torch.zeros(1, 2, 6, 6))
    (link,) = G.links
    np.testing.assert_array_equal(link.index, np.repeat([0, 1, 2], 4))
    assert (G.parts, G.links) == (traced.parts, traced.links)


def test_sequential_and_trace_agree_on_an_embedding_that_is_flattened():
    model = nn.Sequential(nn.Embedding(9, 3), nn.Flatten(), nn.Linear(6, 2))
    G = nng.from_torch(model)
    traced = nng.from_torch(model, example_input=torch.zeros(4, 2, dtype=torch.long))
    (link,) = G.links
    np.testing.assert_array_equal(link.index, [0, 1, 2, 0, 1, 2])
    assert wires(G) == {"0": ("input", "0"), "2": ("2.in", "2")}
    assert (wires(traced), traced.links) == (wires(G), G.links)


RESIDUALS = {
    "skip over one layer": (
        lambda m, x: m.c((h := m.a(x)) + m.b(h)),
        {"a": ("input", "a"), "b": ("a", "b"), "c": ("b", "c")},
        [("a", "b", "identity")],
    ),
    "in place": (
        lambda m, x: m.c((h := m.a(x)).clone().add_(m.b(h).relu_())),
        {"a": ("input", "a"), "b": ("a", "b"), "c": ("b", "c")},
        [("a", "b", "identity")],
    ),
    "input joins": (
        lambda m, x: m.c(x + m.b(m.a(x))),
        {"a": ("input", "a"), "b": ("a", "b"), "c": ("b", "c")},
        [("input", "b", "identity")],
    ),
    "two branches meet": (
        lambda m, x: m.c(m.a(x) + m.b(x)),
        {"a": ("input", "a"), "b": ("input", "a"), "c": ("a", "c")},
        [],
    ),
    "a branch that is read before the sum": (
        lambda m, x: (h := m.a(x), m.c(h) + m.b(x), m.d(h + m.b(x)))[2],
        {"a": ("input", "a"), "c": ("a", "c"), "b": ("input", "b"), "d": ("d.in", "d")},
        [("b", "c", "identity"), ("a", "d.in", "identity"), ("b", "d.in", "identity")],
    ),
    "twice the same": (lambda m, x: m.b((h := m.a(x)) + h), {"a": ("input", "a"), "b": ("a", "b")}, []),
    "self-gating": (lambda m, x: m.b((h := m.a(x)) * torch.sigmoid(h)), {"a": ("input", "a"), "b": ("a", "b")}, []),
    "gating": (
        lambda m, x: m.c(m.a(x) * torch.sigmoid(m.b(x))),
        {"a": ("input", "a"), "b": ("input", "b"), "c": ("c.in", "c")},
        [("b", "c.in", "gate"), ("a", "c.in", "gate")],
    ),
}


@pytest.mark.parametrize("name", RESIDUALS)
def test_sums_share_a_part_and_skips_are_links(name):
    forward, expected, expected_links = RESIDUALS[name]
    names = {"a", "b", "c", "d"} & set(expected)
    G = nng.from_torch(Net(forward, **{n: linear() for n in sorted(names)}), example_input=X)
    assert wires(G) == expected
    assert sorted(links(G)) == sorted(expected_links)


def test_concatenation_is_a_part_with_a_link_from_each_piece():
    G = nng.from_torch(
        Net(lambda m, x: m.c(torch.cat([m.a(x), m.b(x)], -1)), a=linear(4, 2), b=linear(4, 3), c=linear(5, 1)),
        example_input=X,
    )
    assert links(G) == [("a", "c.in", "replica"), ("b", "c.in", "replica")]
    np.testing.assert_array_equal(G.links[0].index, [0, 1, -1, -1, -1])
    np.testing.assert_array_equal(G.links[1].index, [-1, -1, 0, 1, 2])


@pytest.mark.parametrize("how", ["loop", "sdpa", "matmul"])
def test_attention_written_by_hand_mixes_places_and_not_neurons(how):
    def forward(m, x):
        q, k, v = (layer(x).unflatten(-1, (2, 2)).transpose(1, 2) for layer in (m.q, m.k, m.v))
        if how == "sdpa":
            h = F.scaled_dot_product_attention(q, k, v)
        elif how == "matmul":
            h = torch.matmul(torch.softmax(torch.matmul(q, k.transpose(-1, -2)) / 2, -1), v)
        else:
            h = torch.stack([F.softmax(q[:, i] @ k[:, i].mT, -1) @ v[:, i] for i in range(2)], 1)
        return m.out(h.transpose(1, 2).reshape(x.shape))

    G = nng.from_torch(
        Net(forward, q=linear(), k=linear(), v=linear(), out=linear()), example_input=torch.randn(2, 3, 4)
    )
    assert wires(G) == {"q": ("input", "q"), "k": ("input", "k"), "v": ("input", "v"), "out": ("v", "out")}
    assert G.links == ()


def test_transformer_encoder_wires_attention_and_residual_stream():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.Sequential(nn.Embedding(9, 8), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    G = nng.from_torch(model, example_input=torch.zeros(2, 3, dtype=torch.long))
    expected = {"0": ("input", "0")}
    stream = "0"
    for i in range(2):
        at = f"1.layers.{i}"
        expected |= {f"{at}.self_attn.{role}": (stream, f"{at}.self_attn.{role}") for role in "qkv"}
        expected[f"{at}.self_attn.out"] = (f"{at}.self_attn.v", f"{at}.self_attn.out")
        expected[f"{at}.linear1"] = (f"{at}.self_attn.out", f"{at}.linear1")
        expected[f"{at}.linear2"] = (f"{at}.linear1", f"{at}.linear2")
        stream = f"{at}.linear2"
    assert wires(G) == expected
    assert {kind for _, _, kind in links(G)} == {"identity"}
    assert len(G.links) == 4


def test_token_and_position_embeddings_share_the_target_part():
    def forward(m, ids):
        return m.fc(m.token(ids) + m.place(torch.arange(ids.shape[1])))

    model = Net(forward, token=nn.Embedding(9, 4), place=nn.Embedding(5, 4), fc=linear())
    G = nng.from_torch(model, example_input=torch.zeros(2, 3, dtype=torch.long))
    assert wires(G) == {"token": ("input", "token"), "place": ("place.in", "token"), "fc": ("token", "fc")}


class Block(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out)
        self.down = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        y += self.down(x)
        return F.relu(y, inplace=True)


def resnet():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), Block(4, 4), nn.MaxPool2d(2), Block(4, 6), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, 2),
    )  # fmt: skip


def test_residual_network_of_channels():
    G = nng.from_torch(resnet(), conv="channel", example_input=torch.randn(2, 3, 8, 8))
    assert wires(G) == {
        "0": ("input", "0"),
        "1.conv1": ("0", "1.conv1"),
        "1.conv2": ("1.conv1", "1.conv2"),
        "3.conv1": ("1.conv2", "3.conv1"),
        "3.conv2": ("3.conv1", "3.conv2"),
        "3.down": ("1.conv2", "3.conv2"),
        "6": ("3.conv2", "6"),
    }
    assert links(G) == [("0", "1.conv2", "identity")]
    assert [s.kind for s in G.skipped] == ["BatchNorm2d"] * 4


def test_residual_network_of_kernel_entries_links_windows_to_their_channels():
    G = nng.from_torch(resnet(), conv="entry", example_input=torch.randn(2, 3, 8, 8))
    assert wires(G)["1.conv1"] == ("1.conv1.in", "1.conv1")
    assert ("0", "1.conv1.in", "replica") in links(G)
    assert ("0", "1.conv2", "identity") in links(G)
    assert wires(G)["6"] == ("3.conv2", "6")


def test_pixels_are_one_part_through_flatten_and_pooled_maps_are_linked():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    G = nng.from_torch(model, conv="unrolled", example_input=torch.randn(2, 1, 6, 6))
    assert wires(G) == {"0": ("input", "0"), "3": ("0", "3")}
    pooled = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3))
    G = nng.from_torch(pooled, conv="unrolled", example_input=torch.randn(2, 1, 6, 6))
    read = np.stack([link.index for link in G.links])
    x = torch.randn(1, 2, 4, 4)
    expected = F.max_pool2d(x, 2).flatten()
    np.testing.assert_array_equal(x.flatten().numpy()[read].max(axis=0), expected)
    assert wires(G)["3"] == ("3.in", "3")


def test_recurrent_parts_and_links():
    G = nng.from_torch(
        Net(lambda m, x: m.out(m.rnn(m.fc(x))[0]), fc=linear(), rnn=nn.LSTM(4, 3, batch_first=True), out=linear(3, 2)),
        example_input=torch.randn(2, 5, 4),
    )
    expected = {"fc": ("input", "fc"), "out": ("rnn.l0", "out")}
    for gate in "ifgo":
        expected[f"rnn.l0.input.{gate}"] = ("fc", f"rnn.l0.{gate}")
        expected[f"rnn.l0.state.{gate}"] = ("rnn.l0.state", f"rnn.l0.{gate}")
    assert wires(G) == expected
    gates = [(f"rnn.l0.{gate}", "rnn.l0", "gate") for gate in "ifgo"]
    assert links(G) == [*gates, ("rnn.l0", "rnn.l0.state", "recurrent")]


def test_last_state_and_both_directions_are_followed():
    model = Net(
        lambda m, x: m.out(m.rnn(x)[1].transpose(0, 1).flatten(1)),
        rnn=nn.GRU(4, 3, bidirectional=True, batch_first=True), out=linear(6, 2),
    )  # fmt: skip
    G = nng.from_torch(model, example_input=torch.randn(2, 5, 4))
    at = {link.source: link.index for link in G.links if link.target == "out.in"}
    np.testing.assert_array_equal(at["rnn.l0"], [0, 1, 2, -1, -1, -1])
    np.testing.assert_array_equal(at["rnn.l0.reverse"], [-1, -1, -1, 0, 1, 2])


def test_module_used_twice_is_two_blocks_with_one_origin():
    model = Net(lambda m, x: m.a(torch.relu(m.a(x))), a=linear())
    G = nng.from_torch(model, example_input=X)
    assert wires(G) == {"a": ("input", "a"), "a@2": ("a", "a@2")}
    assert G.blocks[0].origin.key == G.blocks[1].origin.key
    assert np.shares_memory(G.blocks[0].dense(), G.blocks[1].dense())


def test_module_used_at_several_places_of_one_part_is_one_block():
    model = Net(lambda m, x: sum(m.a(x[:, t]) for t in range(3)), a=linear())
    G = nng.from_torch(model, example_input=torch.randn(2, 3, 4))
    assert wires(G) == {"a": ("input", "a")}


def test_tied_embedding_is_two_blocks_with_one_origin():
    model = Net(lambda m, ids: m.out(m.emb(ids)), emb=nn.Embedding(9, 4), out=nn.Linear(4, 9, bias=False))
    model.out.weight = model.emb.weight
    ids = torch.zeros(2, 3, dtype=torch.long)
    for G in (nng.from_torch(model), nng.from_torch(model, example_input=ids)):
        emb, out = G.blocks
        assert emb.origin.key == out.origin.key
        np.testing.assert_array_equal(emb.dense(), out.dense().T)
    functional = Net(lambda m, ids: F.linear(m.emb(ids), m.emb.weight), emb=model.emb)
    G = nng.from_torch(functional, example_input=ids)
    assert wires(G) == {"emb": ("input", "emb"), "emb@2": ("emb", "emb@2")}
    assert G.blocks[1].origin.layout == "linear"


class Bare(nn.Module):
    def __init__(self, use):
        super().__init__()
        self.use = use
        self.W, self.b = nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(3))

    def forward(self, x):
        return self.use(self, x)


@pytest.mark.parametrize(
    ("use", "x"),
    [
        (lambda m, x: x @ m.W + m.b, X),
        (lambda m, x: torch.addmm(m.b, x, m.W), X),
        (lambda m, x: torch.matmul(x, m.W), X),
        (lambda m, x: F.linear(x, m.W.T, m.b), X),
        (lambda m, x: (m.W.t() @ x.T).T, X),
        (lambda m, x: F.linear(x, m.W), X[:, :3]),
        (lambda m, x: (m.W @ x.T).T, X[:, :3]),
    ],
)
def test_bare_parameter_in_a_product_is_a_block(use, x):
    model = Bare(use)
    G = nng.from_torch(model, example_input=x)
    (block,) = G.blocks
    assert wires(G) == {"W": ("input", "W")}
    assert block.shape == (model(x).shape[1], x.shape[1])
    assert [s.module for s in G.skipped] == (["b"] if block.bias is None else [])
    bias = 0 if block.bias is None else block.bias
    with torch.no_grad():
        if block.bias is None:
            model.b.zero_()
    np.testing.assert_allclose(x.numpy() @ block.dense().T + bias, model(x).detach(), rtol=1e-5)


def test_parameters_that_are_no_weights_are_listed():
    model = Net(lambda m, x: m.fc(x + m.shift), fc=linear())
    model.shift = nn.Parameter(torch.zeros(1, 4))
    assert [s.module for s in nng.from_torch(model, example_input=X).skipped] == ["shift"]
    (skipped,) = nng.from_torch(model).skipped
    assert "example_input" in skipped.reason


def test_pruned_model_is_traced_through_its_masks():
    model = nn.Sequential(linear(), nn.ReLU(), linear())
    prune.random_unstructured(model[0], "weight", 0.5)
    prune.random_unstructured(model[2], "bias", 0.5)
    G = nng.from_torch(model, example_input=X)
    assert wires(G) == {"0": ("input", "0"), "2": ("0", "2")}
    assert G.blocks[0].n_edges == 8


def test_example_input_may_be_a_mapping():
    G = nng.from_torch(Net(lambda m, *, first: m.a(first), a=linear()), example_input={"first": X})
    assert wires(G) == {"a": ("input", "a")}


def test_wrapped_models_are_converted_as_what_they_wrap():
    model = nn.Sequential(linear(), linear())
    for wrapped in (nn.DataParallel(model), torch.compile(model, backend="eager")):
        assert nng.from_torch(wrapped) == nng.from_torch(model)


def test_a_sequential_with_a_forward_of_its_own_states_no_order():
    class Skipping(nn.Sequential):
        def forward(self, x):
            return self[1](x) + self[0](x)

    G = nng.from_torch(Skipping(linear(), linear()))
    assert wires(G) == {"0": ("0.in", "0"), "1": ("1.in", "1")}


def test_a_module_listed_twice_in_a_sequential_is_two_blocks():
    layer = linear()
    G = nng.from_torch(nn.Sequential(layer, nn.ReLU(), layer))
    assert wires(G) == {"0": ("input", "0"), "0@2": ("0", "0@2")}


def test_a_compiled_module_inside_a_model_is_traced_as_what_it_wraps():
    inner = torch.compile(nn.Sequential(linear(), nn.ReLU()), backend="eager")
    G = nng.from_torch(Net(lambda m, x: m.b(m.a(x)), a=inner, b=linear()), example_input=X)
    assert wires(G) == {"a._orig_mod.0": ("input", "a._orig_mod.0"), "b": ("a._orig_mod.0", "b")}


def test_layers_left_out_end_a_part():
    model = nn.Sequential(linear(), nn.Conv1d(3, 3, 1), linear(), linear())
    G = nng.from_torch(model, layers=["0", "2", "3"], example_input=X)
    assert wires(G) == {"0": ("input", "0"), "2": ("2.in", "2"), "3": ("2", "3")}
    assert [s.module for s in G.skipped] == ["1"]


def test_a_layer_that_the_example_does_not_reach_has_parts_of_its_own():
    G = nng.from_torch(Net(lambda m, x: m.a(x), a=linear(), b=linear()), example_input=X)
    assert wires(G) == {"a": ("input", "a"), "b": ("b.in", "b")}
