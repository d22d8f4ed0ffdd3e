"""Sparse evolution of layers that hold their edges alone is that of layers under a mask."""

import copy
import io
import itertools

import numpy as np
import pytest
import torch
from torch import nn

import nngraph as nng
from nngraph.errors import ArgumentError, ConvergenceError, SparsityWarning, UnsupportedLayerError
from nngraph.sparse import SET, SparseLinear, densify, sparse_mlp, sparsify

OPTIMIZERS = {
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.3, momentum=0.9, weight_decay=1e-3),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    "amsgrad": lambda parameters: torch.optim.AdamW(parameters, lr=0.01, amsgrad=True),
}


def dense_model(seed=0):
    return nng.mlp((20, 30, 25, 4), rng=seed).double().train()


def data():
    draw = torch.Generator().manual_seed(1)
    return torch.randn(60, 20, generator=draw, dtype=torch.float64), torch.randint(0, 4, (60,), generator=draw)


def step(model, rule, evo):
    x, y = data()
    rule.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    rule.step()
    evo.after_step(rule)
    return loss.item()


@pytest.mark.parametrize("regrowth", ["random", "preferential", "degree"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_same_run_under_masks_and_on_edges_gives_the_same_supports_weights_and_losses(optimizer, regrowth):
    options = {"every": 5, "regrowth": regrowth, "regrow": "normal", "rng": 7}
    masked = dense_model()
    sparse = sparsify(masked, epsilon=4, rng=7)
    runs = []
    for model, evo in ((masked, SET(masked, 4, **options)), (sparse, SET(sparse, **options))):
        rule = OPTIMIZERS[optimizer](model.parameters())
        runs.append((model, evo, rule, [step(model, rule, evo) for _ in range(42)]))
    (_, evo, rule, losses), (_, its_evo, its_rule, its_losses) = runs
    np.testing.assert_allclose(losses, its_losses, rtol=1e-9)
    assert losses[-1] < 0.8 * losses[0]
    assert len(evo.history) == 16
    assert evo.history.equals(its_evo.history)
    for graph in ("graph", "core"):
        G, H = getattr(evo, graph)(), getattr(its_evo, graph)()
        assert [block.n_edges for block in G.blocks] == [block.n_edges for block in H.blocks]
        for block, its_block in zip(G.blocks, H.blocks, strict=True):
            assert block.same_support(its_block)
            np.testing.assert_allclose(block.values, its_block.values, rtol=1e-8, atol=1e-12)
    for layer, its_layer in zip(evo._layers, its_evo._layers, strict=True):
        for key, tensor in rule.state[layer.parameter].items():
            other = its_rule.state[its_layer.parameter][key]
            expected = tensor.reshape(-1)[layer.cells] if tensor.shape == layer.parameter.shape else tensor
            torch.testing.assert_close(other, expected, rtol=1e-8, atol=1e-12)


def test_sparsify_draws_the_supports_of_set_and_keeps_the_weights():
    model = dense_model()
    evo = SET(copy.deepcopy(model), 4, rng=3)
    sparse = sparsify(model, epsilon=4, rng=3)
    assert [type(module).__name__ for module in sparse] == ["SparseLinear", "ReLU", "SparseLinear", "ReLU", "Linear"]
    for name, mask in evo.masks.items():
        layer = sparse.get_submodule(name)
        assert np.array_equal(layer.cells(), np.flatnonzero(mask))
        assert torch.equal(layer.values, model.get_submodule(name).weight[torch.from_numpy(mask)])
    every = sparsify(model, epsilon=1, dense_output=False, rng=3)
    assert isinstance(every[4], SparseLinear)
    assert isinstance(sparsify(nn.Linear(9, 9), epsilon=1, dense_output=False, rng=0), SparseLinear)


def test_edges_keep_their_number_and_the_optimiser_its_parameters():
    model = sparse_mlp([20, 30, 25, 4], 4, dtype=torch.float64, rng=0)
    rule = OPTIMIZERS["adam"](model.parameters())
    evo = SET(model, every=1, rng=0)
    before = {name: (id(module.values), module.n_edges) for name, module in model.named_children() if name in "02"}
    supports = [model[0].cells()]
    for _ in range(5):
        step(model, rule, evo)
        supports.append(model[0].cells())
    after = {name: (id(module.values), module.n_edges) for name, module in model.named_children() if name in "02"}
    assert before == after
    assert all(not np.array_equal(a, b) for a, b in itertools.pairwise(supports))
    assert all((np.diff(cells) > 0).all() for cells in supports)


def test_what_grew_has_the_regrown_weight_no_gradient_and_no_state():
    model = sparse_mlp([20, 30, 25, 4], 4, dtype=torch.float64, rng=0)
    rule = OPTIMIZERS["momentum"](model.parameters())
    evo = SET(model, every=3, rng=0)
    for _ in range(2):
        step(model, rule, evo)
    cells, weights = model[0].cells(), model[0].values.detach().clone()
    step(model, rule, evo)
    grown = ~np.isin(model[0].cells(), cells)
    assert grown.any()
    state = rule.state[model[0].values]["momentum_buffer"]
    for tensor in (model[0].values, model[0].values.grad, state):
        assert not tensor.detach()[grown].any()
        assert tensor.detach()[~grown].any()
    assert weights.all()


def test_graphs_of_edges_are_held_as_compressed_rows():
    model = sparse_mlp([500, 400, 300, 4], 2, rng=0)
    evo = SET(model, every=1, rng=0)
    rule = OPTIMIZERS["momentum"](model.parameters())
    model(torch.randn(5, 500)).square().sum().backward()
    rule.step()
    evo.after_step(rule)
    for G in (evo.graph(), evo.core()):
        assert [block.is_sparse for block in G.blocks] == [True, True, False]
    removed = evo.history.groupby("block").added.sum()
    assert [evo.graph().block(name).n_edges - evo.core().block(name).n_edges for name in "02"] == removed.tolist()


def test_a_run_goes_on_from_saved_states_as_if_it_had_not_stopped():
    def begin(rng):
        model = sparse_mlp([20, 30, 25, 4], 4, dtype=torch.float64, rng=rng)
        return model, OPTIMIZERS["adam"](model.parameters()), SET(model, every=4, regrow="init", rng=rng)

    whole = begin(0)
    losses = [step(*whole) for _ in range(20)]
    first = begin(0)
    for _ in range(10):
        step(*first)
    buffer = io.BytesIO()
    torch.save([part.state_dict() for part in first], buffer)
    buffer.seek(0)
    states = torch.load(buffer, weights_only=True)
    again = list(begin(5))  # other supports, and other numbers of edges
    again[0].load_state_dict(states[0])
    again[1] = OPTIMIZERS["adam"](again[0].parameters())
    for part, state in zip(again[1:], states[1:], strict=True):
        part.load_state_dict(state)
    assert [step(*again) for _ in range(10)] == losses[10:]
    assert again[2].graph() == whole[2].graph()


def test_a_state_loaded_into_the_model_alone_is_what_evolves():
    model = sparse_mlp([20, 30, 25, 4], 4, dtype=torch.float64, rng=0)
    evo = SET(model, every=1, rng=0)
    other = sparse_mlp([20, 30, 25, 4], 4, dtype=torch.float64, rng=5)
    model.load_state_dict(other.state_dict())
    step(model, OPTIMIZERS["momentum"](model.parameters()), evo)
    before, now = other[0].to_linear().weight_mask, model[0].to_linear().weight_mask
    assert model[0].n_edges == other[0].n_edges
    assert (before * now).sum() > 0.6 * before.sum()  # of two random supports a sixth of the edges are common


def test_restored_supports_keep_the_weights_of_edges_that_stay():
    model = sparse_mlp([20, 30, 4], 2, dtype=torch.float64, rng=0)
    state = SET(model, rng=0).state_dict()
    cells, before = model[0].cells(), model[0].to_linear().weight.detach().clone()
    for wanted in (np.sort(np.concatenate([cells[::2], np.setdiff1d(np.arange(600), cells)[:9]])), cells):
        changed = copy.deepcopy(model)
        evo = SET(changed, rng=0)
        state["layers"]["0"]["cells"] = torch.from_numpy(wanted)
        evo.load_state_dict(state)
        assert np.array_equal(changed[0].cells(), wanted)
        mask = torch.zeros(600, dtype=torch.bool)
        mask[wanted] = True
        assert torch.equal(changed[0].to_linear().weight, before * mask.reshape(30, 20))


def test_an_output_layer_of_edges_alone_evolves_too():
    model = sparse_mlp([20, 30, 25], 2, dense_output=False, rng=0)
    assert list(SET(model, rng=0).masks) == ["0", "2"]
    assert list(SET(sparse_mlp([20, 30, 25], 2, rng=0), rng=0).masks) == ["0"]


def test_finish_leaves_the_edges_and_the_model_goes_on():
    model = sparse_mlp([20, 30, 25, 4], 4, dtype=torch.float64, rng=0)
    evo = SET(model, rng=0)
    assert evo.finish() is model
    x, _ = data()
    torch.testing.assert_close(densify(model)(x), model(x))


def test_weights_that_are_not_finite_stop_the_evolution_before_an_edge_moves():
    model = sparse_mlp([20, 30, 4], 2, dtype=torch.float64, rng=0)
    rule = OPTIMIZERS["momentum"](model.parameters())
    evo = SET(model, every=1, rng=0)
    cells = model[0].cells()
    with torch.no_grad():
        model[0].values[3] = torch.inf
    with pytest.raises(ConvergenceError, match="layer '0'"):
        evo.after_step(rule)
    assert np.array_equal(model[0].cells(), cells)


def test_what_cannot_evolve_is_refused():
    model = sparse_mlp([20, 30, 4], 2, rng=0)
    mask = np.ones((30, 20), dtype=bool)
    with pytest.raises(ArgumentError, match="holds its own edges"):
        SET.from_masks(model, {"0": mask})
    with pytest.raises(ArgumentError, match="masks and epsilon"):
        sparsify(nn.Sequential(nn.Linear(20, 30)), {"0": mask}, epsilon=3)
    shared = SparseLinear(5, 5, 1, rng=0)
    with pytest.raises(ArgumentError, match="does not hold the weights of layer '0'"):
        SET(model, rng=0).after_step(torch.optim.SGD(shared.parameters(), lr=0.1))
    model[0].values.requires_grad_(False)
    with pytest.raises(ArgumentError, match="requires_grad=False"):
        SET(model, rng=0)
    pruned = nn.Sequential(shared)
    nn.utils.prune.l1_unstructured(shared, "values", 0.5)
    with pytest.raises(UnsupportedLayerError, match="pruned"):
        SET(pruned, rng=0)


def test_a_layer_evolves_under_one_set_at_a_time():
    model = sparse_mlp([20, 30, 25, 4], 4, rng=0)
    evo = SET(model, layers="0", rng=0)
    for _ in range(2):
        with pytest.raises(ArgumentError, match=r"layer '0': it evolves under another SET\. End that one first"):
            SET(model, rng=0)
    assert list(SET(model, layers="2", rng=0).masks) == ["2"]
    twin, its_evo = copy.deepcopy((model, evo))
    assert list(SET(copy.deepcopy(model), rng=0).masks) == ["0", "2"]
    with pytest.raises(ArgumentError, match="layer '0': it evolves under another SET"):
        SET(twin, rng=0)
    for each, its in ((model, evo), (twin, its_evo)):
        its.finish()
        assert list(SET(each, rng=0).masks) == ["0", "2"]


def test_an_optimiser_made_before_a_state_of_another_number_of_edges_is_refused_at_the_first_step():
    def begin(rng):
        model = sparse_mlp([20, 30, 25, 4], 4, dtype=torch.float64, rng=rng)
        return model, OPTIMIZERS["momentum"](model.parameters()), SET(model, stop=9, rng=rng)

    first, again = begin(0), begin(1)
    for _ in range(3):
        step(*first)
    for part, state in zip(again, [part.state_dict() for part in first], strict=True):
        part.load_state_dict(state)
    with pytest.raises(ArgumentError, match=r"layer '0'.* made anew where loading a state has changed the number"):
        step(*again)


def test_the_core_of_edges_that_were_loaded_without_their_state_is_refused():
    model = sparse_mlp([20, 30, 25, 4], 4, dtype=torch.float64, rng=0)
    evo, rule = SET(model, every=1, rng=0), OPTIMIZERS["momentum"](model.parameters())
    early = [copy.deepcopy(part.state_dict()) for part in (model, evo)]
    step(model, rule, evo)
    model.load_state_dict(early[0])
    assert evo.graph().block("0").n_edges == model[0].n_edges
    with pytest.raises(ArgumentError, match="layer '0': got other edges than it had after the last rewiring"):
        evo.core()
    evo.load_state_dict(early[1])
    assert evo.core() == evo.graph()


def test_an_epsilon_for_layers_that_keep_their_edges_is_said_to_change_nothing():
    model = sparse_mlp([20, 30, 25, 4], 4, rng=0)
    with pytest.warns(SparsityWarning, match="epsilon=3.3 changes nothing: '0', '2' are SparseLinear"):
        evo = SET(model, 3.3, rng=0)
    assert [mask.sum() for mask in evo.masks.values()] == [model[0].n_edges, model[2].n_edges]
    mixed = nn.Sequential(SparseLinear(20, 30, 2, rng=0), nn.ReLU(), nn.Linear(30, 25), nn.ReLU(), nn.Linear(25, 4))
    assert list(SET(mixed, 3.3, rng=0).masks) == ["0", "2"]  # a warning would be an error
