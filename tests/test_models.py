"""The transformer and the residual CNN: shapes, seeds, what attends to what, and the way to a graph and back."""

import numpy as np
import pytest
import torch

import nngraph as nng
from nngraph.errors import ArgumentError


def tokens(n=4, positions=5, vocabulary=9):
    return torch.from_numpy(np.random.default_rng(0).integers(vocabulary, size=(n, positions)))


def small(**more):
    return nng.transformer(9, 5, **({"width": 12, "depth": 2, "heads": 3, "hidden": 7, "rng": 0} | more))


def images(n=2, channels=1):
    return torch.from_numpy(np.random.default_rng(0).random((n, channels, 12, 12), dtype=np.float32))


def bits(model):
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


@pytest.mark.parametrize(("outputs", "logits"), [(None, 9), (4, 4)])
@pytest.mark.parametrize("positions", [1, 3, 5])
def test_a_transformer_gives_logits_at_every_position_of_sequences_up_to_its_longest(positions, outputs, logits):
    model = small(outputs=outputs)
    assert model(tokens(positions=positions)).shape == (4, positions, logits)
    assert model.stream(tokens(positions=positions)).shape == (4, positions, 12)
    assert model.blocks[0].pre.out_features == 7
    assert small(hidden=None).blocks[1].pre.out_features == 48
    with pytest.raises(IndexError):
        model(tokens(positions=6))


def test_the_stream_behind_no_block_is_the_embedding_and_behind_all_is_what_is_read_out():
    model, x = small(), tokens()
    with torch.no_grad():
        assert torch.equal(model.stream(x, depth=0), model.embedding.weight[x] + model.position.weight)
        assert torch.equal(model.unembedding(model.stream(x)), model(x))
        assert torch.equal(model.blocks[1](model.stream(x, depth=1)), model.stream(x, depth=2))


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("at", range(5))
def test_a_later_token_changes_no_earlier_output_of_a_causal_transformer_and_all_of_another(at, norm):
    x = tokens()
    changed = x.clone()
    changed[:, at] = (changed[:, at] + 1) % 9
    for causal in (True, False):
        model = small(causal=causal, norm=norm).double()
        with torch.no_grad():
            moved = (model(x) - model(changed)).abs().amax(-1) > 1e-9
        assert moved[:, at:].all()
        assert bool(moved[:, :at].any()) is (not causal and at > 0)


def test_heads_do_not_see_each_other_before_the_output_matrix():
    model, x = small(depth=1, heads=3).double(), tokens()
    mixed = []
    model.blocks[0].attention.mixed.register_forward_hook(lambda module, args, output: mixed.append(output))
    with torch.no_grad():
        model(x)
        for matrix in (model.blocks[0].attention.query, model.blocks[0].attention.key, model.blocks[0].attention.value):
            matrix.weight[4:8] *= 1.5  # the second of three heads of 4
        model(x)
    same = (mixed[0] == mixed[1]).flatten(0, 1).all(0).tolist()
    assert same == [True] * 4 + [False] * 4 + [True] * 4


def test_scores_are_divided_by_the_root_of_the_width_of_a_head_and_patterns_are_distributions():
    model, x = small(depth=1, heads=3).double(), tokens()
    seen = {}
    attention = model.blocks[0].attention
    for name in ("query", "key", "scores", "pattern"):
        getattr(attention, name).register_forward_hook(lambda m, a, out, name=name: seen.update({name: out}))
    with torch.no_grad():
        model(x)
    for head in range(3):
        q, k = (seen[name][..., 4 * head : 4 * head + 4] for name in ("query", "key"))
        assert torch.allclose(seen["scores"][:, head], torch.einsum("nqd,nkd->nqk", q, k) / 2)
    assert torch.allclose(seen["pattern"].sum(-1), torch.ones(4, 3, 5, dtype=torch.float64))
    assert (seen["pattern"].triu(1) == 0).all()


@pytest.mark.parametrize(("height", "width"), [(8, 8), (28, 28), (32, 32), (9, 13)])
def test_resnet9_takes_images_of_any_size(height, width):
    assert nng.resnet9(3, 5, width=4, rng=0)(torch.zeros(2, 3, height, width)).shape == (2, 5)


def test_resnet9_has_the_published_channels():
    model = nng.resnet9()
    convolutions = [unit.conv for unit in model.units]
    assert [conv.out_channels for conv in convolutions] == [64, 128, 128, 128, 256, 256, 256, 128]
    assert [conv.kernel_size[0] for conv in convolutions] == [3, 5, 3, 3, 3, 3, 3, 3]
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


@pytest.mark.parametrize("make", [small, lambda **more: nng.resnet9(1, 3, **({"width": 4, "rng": 0} | more))])
def test_the_same_seed_gives_the_same_bits_and_torch_stays_where_it_was(make):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = make(rng=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert bits(make(rng=3)) == bits(first) == bits(make(rng=np.random.SeedSequence(3)))
    assert bits(make(rng=4)) != bits(first)
    assert bits(make(rng=None)) != bits(make(rng=None))
    assert not any(module.training for module in first.modules())


def test_weights_have_the_spread_that_is_stated_and_biases_are_zero():
    model = nng.transformer(100, 2, width=64, depth=1, heads=4, rng=0)
    for name, fan_in in (("embedding", 64), ("blocks.0.attention.query", 64), ("blocks.0.mlp_out", 256)):
        module = model.get_submodule(name)
        assert module.weight.std().item() * fan_in**0.5 == pytest.approx(1, abs=0.03)
        assert abs(module.weight.mean().item()) * fan_in**0.5 < 0.03
        assert not hasattr(module, "bias") or (module.bias == 0).all()
    conv = nng.resnet9(3, 10, width=16, rng=0).units[5].conv
    assert conv.weight.std().item() * (64 * 9) ** 0.5 == pytest.approx(2**0.5, abs=0.03)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nng.transformer(0, 2), "vocabulary=0"),
        (lambda: nng.transformer(5, 2.0), "positions=2.0"),
        (lambda: nng.transformer(5, 2, depth=0), "depth=0"),
        (lambda: nng.transformer(5, 2, heads=True), "heads=True"),
        (lambda: nng.transformer(5, 2, outputs=-1), "outputs=-1"),
        (lambda: nng.transformer(5, 2, width=10, heads=4), "heads: got 4 for the width 10"),
        (lambda: nng.resnet9(0), "channels=0"),
        (lambda: nng.resnet9(3, 10, width=1.5), "width=1.5"),
        (lambda: nng.resnet9(3, None), "classes=None"),
    ],
)
def test_sizes_that_make_no_network_are_refused(make, words):
    with pytest.raises(ArgumentError, match=words):
        make()


@pytest.mark.parametrize(("norm", "skipped"), [(False, 0), (True, 5)])
def test_a_transformer_becomes_a_graph_of_all_its_matrices_and_comes_back_bit_by_bit(norm, skipped):
    model, x = small(norm=norm), tokens()
    G = nng.from_torch(model, example_input=x)
    names = [f"blocks.{i}.{name}" for i in range(2) for name in (
        "attention.query", "attention.key", "attention.value", "attention.out", "pre", "mlp_out")]  # fmt: skip
    assert [block.name for block in G.blocks] == ["embedding", "position", *names, "unembedding"]
    assert len(G.skipped) == skipped
    ends = {block.name: (block.source, block.target) for block in G.blocks}
    assert ends["embedding"][1] == ends["position"][1] == ends["blocks.0.attention.value"][0] == "embedding"
    assert ends["blocks.0.attention.out"][0] == "blocks.0.attention.value"
    assert ends["unembedding"][0] == "blocks.1.mlp_out"
    assert [(link.source, link.target) for link in G.links] == [
        ("embedding", "blocks.0.attention.out"), ("blocks.0.attention.out", "blocks.0.mlp_out"),
        ("blocks.0.mlp_out", "blocks.1.attention.out"), ("blocks.1.attention.out", "blocks.1.mlp_out"),
    ]  # fmt: skip
    assert bits(nng.to_torch(G, model)) == bits(model)
    halved = nng.to_torch(G.with_weights(0.5 * G.weights()), model)
    assert torch.equal(halved.blocks[1].pre.weight, 0.5 * model.blocks[1].pre.weight)
    assert nng.from_torch(halved, example_input=x) == G.with_weights(0.5 * G.weights())


def test_a_resnet9_becomes_a_graph_of_all_its_kernels_and_comes_back_bit_by_bit():
    model, x = nng.resnet9(1, 3, width=4, rng=0), images()
    G = nng.from_torch(model, conv="entry", example_input=x)
    assert [block.name for block in G.blocks] == [*(f"units.{i}.conv" for i in range(8)), "linear"]
    assert [entry.kind for entry in G.skipped] == ["BatchNorm2d"] * 8
    skips = [(link.source, link.target) for link in G.links if link.kind == "identity"]
    assert skips == [("units.1.conv", "units.3.conv"), ("units.4.conv", "units.6.conv")]
    assert G.n_edges == sum(p.numel() for p in model.parameters() if p.ndim > 1)
    assert bits(nng.to_torch(G, model)) == bits(model)
    halved = nng.to_torch(G.with_weights(0.5 * G.weights()), model)
    assert torch.equal(halved.units[1].conv.weight, 0.5 * model.units[1].conv.weight)
    assert nng.from_torch(halved, conv="entry", example_input=x) == G.with_weights(0.5 * G.weights())
