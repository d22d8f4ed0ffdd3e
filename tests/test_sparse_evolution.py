"""Sparse evolutionary training inside of a loop: masks, states of optimisers, resuming, graphs."""

import copy
import io
import pickle
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import nn
from torch.nn.utils import prune

import nngraph as nng
from nngraph.errors import ArgumentError, ConvergenceError, SparsityWarning, UnsupportedLayerError
from nngraph.sparse import SET, erdos_renyi_mask

SIZES = (20, 30, 25, 3)
OPTIMIZERS = {
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=2e-2, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5, weight_decay=0.01),
}
EVERY_OPTIMIZER = pytest.mark.parametrize("optimizer", OPTIMIZERS)


def data(n=40):
    draw = torch.Generator().manual_seed(0)
    return torch.randn(n, SIZES[0], generator=draw), torch.arange(n) % SIZES[-1]


def step(model, optimizer, x, y):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()


def trained(evo, model, optimizer, n):
    x, y = data()
    for _ in range(n):
        step(model, optimizer, x, y)
        evo.after_step(optimizer)


def bits(model):
    return [p.detach().numpy().tobytes() for p in model.parameters()]


class Shaking(torch.optim.Optimizer):
    """Moves every weight, whatever its gradient."""

    def __init__(self, params):
        super().__init__(params, {})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.add_(torch.ones_like(p))


# ----------------------------------------------------------------------- masks


@EVERY_OPTIMIZER
def test_absent_weights_are_exactly_0_after_every_step_and_no_edge_is_lost_or_won(optimizer):
    model = nng.mlp(SIZES, rng=0)
    trainer = OPTIMIZERS[optimizer](model.parameters())
    evo = SET(model, epsilon=3, every=2, rng=0)
    x, y = data()
    n = {name: mask.sum() for name, mask in evo.masks.items()}
    before = evo.masks
    for _ in range(60):
        step(model, trainer, x, y)
        evo.after_step(trainer)
        for name, mask in evo.masks.items():
            weights = model.get_parameter(f"{name}.weight").detach().numpy()
            assert mask.sum() == n[name]
            assert not weights[~mask].any()
    assert (before["0"] != evo.masks["0"]).any()
    assert len(evo.history) == 2 * 30
    assert (evo.history.added == evo.history.filter(like="removed").sum(axis=1)).all()
    assert (evo.history.n_edges == evo.history.block.map(n)).all()


@given(
    st.integers(0, 10**6),
    st.floats(0.5, 6),
    st.floats(0.05, 0.95),
    st.sampled_from(["random", "preferential", "degree"]),
    st.sampled_from([0, "normal", "init"]),
)
def test_the_number_of_edges_of_each_layer_stays_for_any_rules(seed, epsilon, zeta, regrowth, regrow):
    model = nng.mlp((8, 10, 7, 2), rng=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SparsityWarning)
        evo = SET(model, epsilon, zeta=zeta, every=1, regrowth=regrowth, regrow=regrow, rng=seed)
        n = [mask.sum() for mask in evo.masks.values()]
        optimizer = Shaking(model.parameters())
        for _ in range(5):
            with torch.no_grad():
                for i, p in enumerate(model.parameters()):
                    p.add_(torch.from_numpy(np.random.default_rng((seed, i)).normal(size=p.shape)).float())
            evo.after_step(optimizer)
    assert [mask.sum() for mask in evo.masks.values()] == n


def test_an_optimizer_that_moves_absent_weights_by_itself_does_not_bring_them_back():
    model = nng.mlp(SIZES, rng=0)
    evo, optimizer = SET(model, epsilon=3, every=100, rng=0), Shaking(model.parameters())
    optimizer.step()
    assert bool((model[0].weight != 0).all())
    evo.after_step(optimizer)
    assert np.array_equal((model[0].weight != 0).numpy(), evo.masks["0"])


def test_gradients_of_absent_weights_are_0_also_when_they_accumulate():
    model = nng.mlp(SIZES, rng=0)
    evo, (x, y) = SET(model, epsilon=3, rng=0), data()
    free = copy.deepcopy(model)  # the same sparse weights, without masks
    for each in (model, free):
        for _ in range(2):
            nn.functional.cross_entropy(each(x), y).backward()
    for name, parameter in model.named_parameters():
        gradient = free.get_parameter(name).grad
        mask = evo.masks.get(name.removesuffix(".weight"))
        expected = gradient if mask is None else gradient * torch.from_numpy(mask)
        assert torch.equal(parameter.grad, expected)
        assert mask is None or not torch.equal(expected, gradient)


@EVERY_OPTIMIZER
def test_training_on_a_fixed_support_is_training_under_pruning_masks_of_torch(optimizer):
    masked, pruned = (nng.mlp(SIZES, rng=0).double() for _ in range(2))
    evo = SET(masked, epsilon=3, stop=0, every=1, rng=0)
    for name, mask in evo.masks.items():
        prune.custom_from_mask(pruned.get_submodule(name), "weight", torch.from_numpy(mask))
    trainers = [OPTIMIZERS[optimizer](model.parameters()) for model in (masked, pruned)]
    x, y = data()
    for _ in range(25):
        step(masked, trainers[0], x.double(), y)
        evo.after_step(trainers[0])
        step(pruned, trainers[1], x.double(), y)
    assert torch.allclose(masked(x.double()), pruned(x.double()), rtol=1e-12, atol=1e-12)
    assert len(evo.history) == 0


def test_the_weakest_of_either_sign_go_at_every_rewiring():
    model = nng.mlp(SIZES, rng=0)
    optimizer = OPTIMIZERS["momentum"](model.parameters())
    evo, (x, y) = SET(model, epsilon=3, zeta=0.25, every=3, rng=0), data()
    for n in range(1, 31):
        step(model, optimizer, x, y)
        weights, mask, core = model[0].weight.detach().numpy().copy(), evo.masks["0"], evo.core
        evo.after_step(optimizer)
        if n % 3:
            assert np.array_equal(evo.masks["0"], mask)
            continue
        stay = set(np.flatnonzero(core().block("0").mask).tolist())
        for side in (weights > 0, weights < 0):
            ranked = sorted(np.flatnonzero(mask & side), key=lambda cell: abs(weights.flat[cell]))
            n_gone = int(0.25 * len(ranked))
            assert not stay & set(ranked[:n_gone])
            assert stay >= set(ranked[n_gone:])
        assert not stay & set(np.flatnonzero(mask & (weights == 0)).tolist())


def test_initial_supports_have_as_many_edges_as_their_binomial_law_allows():
    evo = SET(nng.mlp((300, 200, 100, 10), rng=0), epsilon=5, rng=0)
    for (n_target, n_source), mask in zip([(200, 300), (100, 200)], evo.masks.values(), strict=True):
        p = 5 * (n_target + n_source) / (n_target * n_source)
        low, high = stats.binom(mask.size, p).ppf([1e-3, 1 - 1e-3])
        assert low <= mask.sum() <= high


def test_present_weights_begin_as_those_of_the_model_and_absent_ones_as_0():
    model = nng.mlp(SIZES, rng=0)
    before = copy.deepcopy(model)
    evo = SET(model, epsilon=3, rng=0)
    assert list(evo.masks) == ["0", "2"]
    for name, p in model.named_parameters():
        mask = evo.masks.get(name.removesuffix(".weight"), np.ones(p.shape, dtype=bool))
        assert np.array_equal(p.detach().numpy(), before.get_parameter(name).detach().numpy() * mask)


# ------------------------------------------------------------ optimiser, seeds


@EVERY_OPTIMIZER
def test_a_rewiring_resets_the_state_of_edges_that_changed_and_of_nothing_else(optimizer):
    model = nng.mlp(SIZES, rng=0)
    trainer = OPTIMIZERS[optimizer](model.parameters())
    evo, (x, y) = SET(model, epsilon=3, every=4, rng=0), data()
    trained(evo, model, trainer, 3)
    step(model, trainer, x, y)
    before, weights = copy.deepcopy(trainer.state_dict()["state"]), copy.deepcopy(model.state_dict())
    masks = evo.masks
    evo.after_step(trainer)
    n_tensors = 0
    for (name, parameter), number in zip(model.named_parameters(), before, strict=True):
        key = name.removesuffix(".weight")
        changed = np.zeros(parameter.shape, dtype=bool)
        if key in masks:
            grown = evo.masks[key] & ~evo.core().block(key).mask
            changed = grown | (masks[key] & ~evo.core().block(key).mask)
            assert changed.any()
        assert np.array_equal(parameter.detach().numpy()[~changed], weights[name].numpy()[~changed])
        assert not parameter.detach().numpy()[changed].any()
        for what, old in before[number].items():
            new = trainer.state[parameter][what]
            if old.shape != parameter.shape:
                assert torch.equal(new, old)  # the count of steps
                continue
            n_tensors += 1
            assert np.array_equal(new.numpy()[~changed], old.numpy()[~changed])
            assert not new.numpy()[changed].any()
            assert not changed.any() or old.numpy()[changed].any()
    assert n_tensors == 6 * {"momentum": 1, "adam": 2, "adamw": 3, "rmsprop": 2}[optimizer]


def test_edges_that_grow_do_not_inherit_what_an_optimizer_knew_before_the_network_was_sparse():
    model = nng.mlp(SIZES, rng=0)
    optimizer, (x, y) = OPTIMIZERS["adam"](model.parameters()), data()
    step(model, optimizer, x, y)
    evo = SET(model, epsilon=3, every=1, rng=0)
    old = optimizer.state[model[0].weight]["exp_avg_sq"].numpy().copy()
    before = evo.masks["0"]
    evo.after_step(optimizer)
    new = optimizer.state[model[0].weight]["exp_avg_sq"].numpy()
    grown = evo.masks["0"] & ~before
    assert old[grown].any()
    assert not new[grown].any()
    assert np.array_equal(new[before & evo.core().block("0").mask], old[before & evo.core().block("0").mask])


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    runs = []
    for rng in (3, 3, 4):
        model = nng.mlp(SIZES, rng=0)
        optimizer = OPTIMIZERS["adam"](model.parameters())
        state = torch.random.get_rng_state()
        trained(SET(model, epsilon=3, every=5, regrow="normal", rng=rng), model, optimizer, 20)
        assert torch.equal(torch.random.get_rng_state(), state)
        runs.append(bits(model))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_the_support_of_a_layer_does_not_depend_on_which_other_layers_evolve():
    masks = [SET(nng.mlp(SIZES, rng=0), 3, layers=layers, rng=1).masks["2"] for layers in (None, "2", ["0", "2"])]
    assert np.array_equal(masks[0], masks[1])
    assert np.array_equal(masks[0], masks[2])


def test_the_optimizer_may_be_made_before_or_after():
    runs = []
    for before in (True, False):
        model = nng.mlp(SIZES, rng=0)
        early = OPTIMIZERS["adam"](model.parameters()) if before else None
        evo = SET(model, epsilon=3, every=5, rng=0)
        trained(evo, model, early or OPTIMIZERS["adam"](model.parameters()), 12)
        runs.append(bits(model))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("regrow", [0, "normal", "init"])
def test_a_resumed_run_equals_an_uninterrupted_one(regrow):
    def begin(rng):
        model = nng.mlp(SIZES, rng=0)
        evo = SET(model, epsilon=3, every=3, regrow=regrow, rng=rng)
        return model, OPTIMIZERS["adam"](model.parameters()), evo

    model, optimizer, evo = begin(7)
    trained(evo, model, optimizer, 20)
    half, half_optimizer, half_evo = begin(99)
    first = begin(7)
    trained(first[2], first[0], first[1], 10)
    file = io.BytesIO()
    torch.save({"model": first[0].state_dict(), "optimizer": first[1].state_dict(), "evo": first[2].state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    half.load_state_dict(saved["model"])
    half_optimizer.load_state_dict(saved["optimizer"])
    half_evo.load_state_dict(saved["evo"])
    assert half_evo.core() == first[2].core()
    trained(half_evo, half, half_optimizer, 10)
    assert bits(half) == bits(model)
    assert half_evo.history.equals(evo.history)


def test_the_state_of_a_run_begun_with_a_generator_can_be_saved_and_loaded():
    evo = SET(nng.mlp(SIZES, rng=0), epsilon=3, rng=np.random.default_rng(0))
    file = io.BytesIO()
    torch.save(evo.state_dict(), file)
    file.seek(0)
    other = SET(nng.mlp(SIZES, rng=0), epsilon=3, rng=1)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert all(np.array_equal(other.masks[name], mask) for name, mask in evo.masks.items())
    assert other.state_dict()["entropy"] == evo.state_dict()["entropy"]


# ----------------------------------------------------------------------- rules


def test_rewiring_stops_where_it_should_and_masks_stay():
    model = nng.mlp(SIZES, rng=0)
    optimizer = OPTIMIZERS["momentum"](model.parameters())
    evo = SET(model, epsilon=3, every=4, stop=9, rng=0)
    trained(evo, model, optimizer, 9)
    mask = evo.masks["0"]
    trained(evo, model, optimizer, 9)
    assert evo.history.step.unique().tolist() == [4, 8]
    assert np.array_equal(evo.masks["0"], mask)
    assert not model[0].weight.detach().numpy()[~mask].any()


def test_the_published_rules_rewire_after_every_epoch_but_the_last():
    model = nng.mlp((784, 100, 90, 10), rng=0)
    evo = SET.as_published(model, epochs=4, rng=0)
    assert list(evo.masks) == ["0", "2"]
    assert evo.masks["0"].mean() == pytest.approx(20 * 884 / 78400, abs=0.01)
    optimizer = OPTIMIZERS["momentum"](model.parameters())
    x, y = torch.randn(20, 784, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 10
    for _ in range(4):
        for _ in range(3):
            step(model, optimizer, x, y)
            for name, mask in evo.masks.items():  # within the epoch too: gradients and states of absent edges are 0
                assert not model.get_parameter(f"{name}.weight").detach().numpy()[~mask].any()
        evo.after_epoch(optimizer)
    assert evo.history.step.unique().tolist() == [1, 2, 3]


def test_an_optimizer_that_moved_absent_weights_within_an_epoch_is_said_once_a_layer():
    model = nng.mlp(SIZES, rng=0)
    evo, optimizer = SET(model, epsilon=3, every="epoch", layers="0", rng=0), Shaking(model.parameters())
    optimizer.step()
    with pytest.warns(SparsityWarning, match="layer '0': the optimiser has moved [0-9]+ absent weights"):
        evo.after_epoch(optimizer)
    optimizer.step()
    evo.after_epoch(optimizer)
    assert not model[0].weight.detach().numpy()[~evo.masks["0"]].any()


@pytest.mark.parametrize("regrow", [0, "normal", "init"])
def test_edges_that_grow_weigh_what_the_rule_says(regrow):
    model = nng.mlp((200, 150, 3), rng=0)
    evo = SET(model, epsilon=20, zeta=0.5, every=1, regrow=regrow, rng=0)
    first = set(model[0].weight.detach().numpy()[evo.masks["0"]].tolist())
    evo.after_step(torch.optim.SGD(model.parameters(), lr=0.1))
    new = model[0].weight.detach().numpy()[evo.masks["0"] & ~evo.core().block("0").mask]
    assert len(new) > 3000
    if regrow == 0:
        assert not new.any()
    elif regrow == "init":
        assert set(new.tolist()) <= first
        assert len(set(new.tolist())) > 2000
    else:
        assert stats.kstest(new, stats.norm(scale=0.1).cdf).pvalue > 0.01


def test_degree_preserving_regrowth_keeps_the_degrees_of_the_graph_through_training():
    model = nng.mlp(SIZES, rng=0)
    evo = SET(model, epsilon=3, every=1, regrowth="degree", rng=0)
    sides = [(block, side) for block in ("0", "2") for side in (0, 1)]
    before = [evo.masks[block].sum(axis=side) for block, side in sides]
    trained(evo, model, OPTIMIZERS["momentum"](model.parameters()), 10)
    for (block, side), degrees in zip(sides, before, strict=True):
        assert np.array_equal(evo.masks[block].sum(axis=side), degrees)


def test_an_epsilon_that_makes_a_layer_complete_is_said_and_that_layer_is_never_rewired():
    model = nng.mlp((300, 200, 4, 3), rng=0)
    with pytest.warns(SparsityWarning, match=r"layer '2': epsilon=5 makes .* complete.*Below epsilon=3\.922") as said:
        evo = SET(model, epsilon=5, every=1, rng=0)
    assert len(said) == 1
    evo.after_step(torch.optim.SGD(model.parameters(), lr=0.1))
    assert evo.masks["2"].all()
    assert evo.history.block.tolist() == ["0"]


def test_fewer_free_cells_than_edges_that_would_go_are_said_once_a_layer():
    model = nng.mlp(SIZES, rng=0)
    evo = SET(model, epsilon=10.8, zeta=0.5, every=1, layers="0", rng=0)
    n, optimizer = evo.masks["0"].sum(), torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.warns(SparsityWarning, match=r"layer '0': .*free cells, fewer than"):
        evo.after_step(optimizer)
    evo.after_step(optimizer)  # another warning would be an error
    assert evo.masks["0"].sum() == n


# ---------------------------------------------------------------------- graphs


def test_the_graph_has_every_edge_of_the_masks_also_those_of_weight_0():
    model = nng.mlp(SIZES, rng=0)
    optimizer = OPTIMIZERS["momentum"](model.parameters())
    evo = SET(model, epsilon=3, every=5, rng=0)
    assert evo.core() == evo.graph()
    trained(evo, model, optimizer, 5)
    G, core = evo.graph(), evo.core()
    assert [part.name for part in G.parts] == ["input", "0", "2", "4"]
    for name, mask in evo.masks.items():
        assert np.array_equal(G.block(name).mask, mask)
        assert np.array_equal(G.block(name).dense(), model.get_parameter(f"{name}.weight").detach().numpy())
        row = evo.history.query(f"block == '{name}'").iloc[-1]
        assert np.count_nonzero(G.block(name).values == 0) == row.added > 0
        assert core.block(name).n_edges == mask.sum() - row.added
        assert not (core.block(name).mask & ~mask).any()
        assert core.block(name).values.all()
    assert G.block("4").mask is None
    assert G.history[-1].operation == "SET"
    assert core.history[-1].parameters["graph"] == "core"


def test_the_graph_of_a_model_with_convolutions_takes_the_options_of_from_torch():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(32, 20), nn.ReLU(), nn.Linear(20, 3))
    evo = SET(model, epsilon=2, rng=0)
    G = evo.graph(conv="entry", example_input=torch.zeros(1, 1, 6, 6))
    assert np.array_equal(G.block("2").mask, evo.masks["2"])
    assert G.block("0").n_edges == 18


def test_a_finished_network_keeps_its_support_under_torchs_own_masks():
    model = nng.mlp((20, 25, 25, 25, 3), rng=0)
    optimizer = OPTIMIZERS["momentum"](model.parameters())
    evo = SET(model, epsilon=3, every=5, rng=0)
    trained(evo, model, optimizer, 5)
    G = evo.graph()
    assert evo.finish() is model
    assert nng.from_torch(model, zeros="keep") == G
    x, y = data()
    blocks = nng.dynamics.beta_eff(model, x, y).blocks.set_index("block")
    assert all(blocks.n_edges[name] == mask.sum() for name, mask in evo.masks.items())
    for _ in range(5):
        step(model, optimizer, x, y)
    assert not model[0].weight.detach().numpy()[~evo.masks["0"]].any()
    assert all(new.same_support(old) for new, old in zip(evo.graph().blocks, G.blocks, strict=True))
    with pytest.raises(ArgumentError, match=r"got a call after finish\(\)"):
        evo.after_step(optimizer)


def test_a_network_that_ended_without_masks_can_begin_anew():
    model = nng.mlp(SIZES, rng=0)
    evo = SET(model, epsilon=3, rng=0)
    with pytest.raises(ArgumentError, match="layer '0': it evolves under another SET"):
        SET(model, epsilon=3, rng=0)
    masks = evo.masks
    evo.finish(masks=False)
    again = SET.from_masks(model, masks)
    assert all(np.array_equal(again.masks[name], mask) for name, mask in masks.items())
    assert "weight_orig" not in dict(model[0].named_parameters())


def test_a_copy_of_the_model_is_free_of_masks():
    model = nng.mlp(SIZES, rng=0)
    evo = SET(model, epsilon=3, rng=0)
    other, (x, y) = copy.deepcopy(model), data()
    nn.functional.cross_entropy(other(x), y).backward()
    assert other[0].weight.grad.numpy()[~evo.masks["0"]].any()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda all_: pickle.loads(pickle.dumps(all_))])
def test_a_copy_of_model_optimizer_and_evolution_goes_on_as_they_do(copied):
    model = nng.mlp(SIZES, rng=0)
    mine = model, OPTIMIZERS["adam"](model.parameters()), SET(model, epsilon=3, every=3, rng=0)
    trained(mine[2], *mine[:2], 4)
    theirs = copied(mine)
    for model, optimizer, evo in (mine, theirs):
        trained(evo, model, optimizer, 7)
    assert bits(mine[0]) == bits(theirs[0])
    nn.functional.cross_entropy(theirs[0](data()[0]), data()[1]).backward()
    assert not theirs[0][0].weight.grad.numpy()[~theirs[2].masks["0"]].any()


def test_a_model_may_change_its_type_while_it_evolves():
    model = nng.mlp(SIZES, rng=0)
    evo, (x, y) = SET(model, epsilon=3, every=2, regrow="normal", rng=0), data()
    model.double()
    optimizer = OPTIMIZERS["adam"](model.parameters())
    for _ in range(4):
        step(model, optimizer, x.double(), y)
        assert not model[0].weight.grad.numpy()[~evo.masks["0"]].any()
        evo.after_step(optimizer)
    assert np.array_equal(model[0].weight.detach().numpy() != 0, evo.masks["0"])


def test_bfloat16_weights_evolve_too():
    model = nng.mlp(SIZES, rng=0).bfloat16()
    evo = SET(model, epsilon=3, every=1, regrow="init", rng=0)
    n = evo.masks["0"].sum()
    evo.after_step(torch.optim.SGD(model.parameters(), lr=0.1))
    assert evo.masks["0"].sum() == n == (model[0].weight != 0).sum()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_model_on_another_device_evolves_as_on_the_cpu():
    runs = []
    for device in ("cpu", "cuda"):
        model = nng.mlp(SIZES, rng=0).double().to(device)
        optimizer = OPTIMIZERS["adam"](model.parameters())
        evo, (x, y) = SET(model, epsilon=3, every=5, regrow="normal", rng=0), data()
        for _ in range(20):
            step(model, optimizer, x.double().to(device), y.to(device))
            evo.after_step(optimizer)
        assert np.array_equal(evo.graph().block("0").mask, evo.masks["0"])
        runs.append((evo.masks, model.cpu()[0].weight.detach()))
    assert all(np.array_equal(runs[0][0][name], runs[1][0][name]) for name in runs[0][0])
    assert torch.allclose(runs[0][1], runs[1][1], rtol=1e-8, atol=1e-10)


# ------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"zeta": 0}, "zeta: got 0; expected a number between 0 and 1"),
        ({"zeta": 1.0}, "zeta: got"),
        ({"epsilon": 0}, "epsilon: got 0; expected a finite number above 0"),
        ({"every": 0}, r"every: got 0; expected a whole number of at least 1 \(steps\), or 'epoch'"),
        ({"every": "step"}, "every: got 'step'"),
        ({"stop": -1}, "stop: got -1; expected a whole number of at least 0, or None"),
        ({"regrowth": "uniform"}, "regrowth: got 'uniform'; expected one of 'random'"),
        ({"regrow": 0.5}, "regrow: got 0.5; expected 0, 'normal' or 'init'"),
        ({"dense_output": 1}, "dense_output: got 1"),
        ({"layers": ["1"]}, r"layers: got \['1'\]; expected names of Linear layers, each once: '0', '2', '4'"),
        ({"layers": []}, "layers: got"),
        ({"layers": ["0", "0"]}, "layers: got"),
    ],
)
def test_an_argument_out_of_its_range_is_refused_and_the_model_left_alone(arguments, message):
    model = nng.mlp(SIZES, rng=0)
    with pytest.raises(ArgumentError, match=message):
        SET(model, **arguments)
    assert bits(model) == bits(nng.mlp(SIZES, rng=0))


def tied():
    model = nng.mlp((20, 20, 20, 3), rng=0)
    model[2].weight = model[0].weight
    return model


def pruned():
    model = nng.mlp(SIZES, rng=0)
    prune.l1_unstructured(model[0], "weight", amount=0.5)
    return model


def frozen():
    model = nng.mlp(SIZES, rng=0)
    model[2].weight.requires_grad_(requires_grad=False)
    return model


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 3)), ArgumentError, "got a model without Linear layers"),
        (nng.mlp((20, 3)), ArgumentError, "only the output layer, '0', is Linear.*dense_output=False"),
        (nn.Sequential(nn.LazyLinear(5), nn.Linear(5, 2)), UnsupportedLayerError, "layer '0': a lazy layer"),
        (tied(), UnsupportedLayerError, r"layer '0': its weight is tied: '0.weight', '2.weight' are one matrix"),
        (pruned(), UnsupportedLayerError, "layer '0': its weight is pruned or parametrised"),
        (frozen(), ArgumentError, "layer '2': got weights of type .*requires_grad=False"),
        (torch.ones(3), ArgumentError, "model: got Tensor"),
    ],
)
def test_a_model_whose_layers_cannot_evolve_is_refused_with_the_reason(model, error, message):
    with pytest.raises(error, match=message):
        SET(model, epsilon=2)


def test_a_single_linear_layer_evolves_when_the_output_may_be_sparse():
    evo = SET(nng.mlp((20, 30), rng=0), epsilon=2, dense_output=False, rng=0)
    assert list(evo.masks) == ["0"]
    assert list(SET(nn.Linear(20, 30), epsilon=2, dense_output=False, rng=0).masks) == ["linear"]


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"0": np.ones((20, 30), dtype=bool)}, r"layer '0': got a mask of shape \(20, 30\).*expected bool of shape"),
        ({"0": np.ones((30, 20))}, "layer '0': got a mask of shape .* and type float64"),
        ({"1": np.ones((30, 20), dtype=bool)}, "layers: got"),
        ({}, "masks: got dict; expected a mapping"),
        (np.ones((30, 20), dtype=bool), "masks: got ndarray"),
    ],
)
def test_masks_that_do_not_fit_are_refused(masks, message):
    model = nng.mlp(SIZES, rng=0)
    with pytest.raises(ArgumentError, match=message):
        SET.from_masks(model, masks)
    assert bits(model) == bits(nng.mlp(SIZES, rng=0))


def test_masks_of_torch_and_of_the_output_layer_are_taken():
    model = nng.mlp(SIZES, rng=0)
    mask = erdos_renyi_mask(3, 25, 1, rng=0)
    evo = SET.from_masks(model, {"4": torch.from_numpy(mask)}, every=1)
    assert np.array_equal(evo.masks["4"], mask)
    assert np.array_equal((model[4].weight != 0).numpy(), mask)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_diverged_are_named_with_the_step_and_no_layer_is_changed(bad):
    model = nng.mlp(SIZES, rng=0)
    optimizer = OPTIMIZERS["momentum"](model.parameters())
    evo = SET(model, epsilon=3, every=4, rng=0)
    trained(evo, model, optimizer, 3)
    with torch.no_grad():
        row, column = np.argwhere(evo.masks["2"])[0]
        model[2].weight[row, column] = bad
    masks, weights = evo.masks, model[0].weight.detach().clone()
    with pytest.raises(ConvergenceError, match="layer '2': got weights that are NaN or infinite at step 4"):
        evo.after_step(optimizer)
    assert np.array_equal(evo.masks["0"], masks["0"])
    assert torch.equal(model[0].weight, weights)
    assert len(evo.history) == 0


def test_an_optimizer_of_other_parameters_is_refused():
    model = nng.mlp(SIZES, rng=0)
    evo = SET(model, epsilon=3, rng=0)
    for _ in range(2):  # a call that failed is no step
        with pytest.raises(ArgumentError, match="does not hold the weights of layer '0'"):
            evo.after_step(torch.optim.SGD(model[4].parameters(), lr=0.1))
    with pytest.raises(ArgumentError, match="optimizer: got NoneType; expected a torch"):
        SET(nng.mlp(SIZES, rng=0), epsilon=3, rng=0).after_step(None)


def test_steps_and_epochs_are_not_mixed():
    model = nng.mlp(SIZES, rng=0)
    optimizer = OPTIMIZERS["momentum"](model.parameters())
    evo = SET(model, epsilon=3, every="epoch", rng=0)
    with pytest.raises(ArgumentError, match="after_step: got a call though every='epoch'"):
        evo.after_step(optimizer)
    evo.finish(masks=False)
    with pytest.raises(ArgumentError, match="after_epoch: got a call though every=500"):
        SET(model, epsilon=3, rng=0).after_epoch(optimizer)


def test_a_state_of_other_layers_is_refused_and_changes_nothing():
    evo = SET(nng.mlp(SIZES, rng=0), epsilon=3, rng=0)
    masks = evo.masks
    for other in (SET(nng.mlp((20, 31, 25, 3), rng=0), 3, rng=1), SET(nng.mlp(SIZES, rng=0), 3, layers="0", rng=1)):
        with pytest.raises(ArgumentError, match="load_state_dict: got a state of the layers"):
            evo.load_state_dict(other.state_dict())
    assert all(np.array_equal(evo.masks[name], mask) for name, mask in masks.items())
    drawing = SET(nng.mlp(SIZES, rng=0), epsilon=3, regrow="init", rng=0)
    with pytest.raises(ArgumentError, match="got a state without initial weights; regrow='init' needs them"):
        drawing.load_state_dict(evo.state_dict())


def test_a_layer_that_has_no_edge_trains_and_is_saved_and_loaded():
    model = nng.mlp(SIZES, rng=0)
    masks = {"0": np.zeros((30, 20), dtype=bool), "2": erdos_renyi_mask(25, 30, 3, rng=0)}
    evo = SET.from_masks(model, masks, every=1, regrow="init", rng=0)
    trained(evo, model, OPTIMIZERS["adam"](model.parameters()), 3)
    other = SET.from_masks(nng.mlp(SIZES, rng=0), masks, regrow="init", rng=1)
    other.load_state_dict(evo.state_dict())
    assert not other.masks["0"].any()
    assert np.array_equal(other.masks["2"], evo.masks["2"])


def test_the_zeros_of_a_graph_are_not_to_be_chosen():
    with pytest.raises(ArgumentError, match="zeros: got a value; expected none"):
        SET(nng.mlp(SIZES, rng=0), epsilon=3, rng=0).graph(zeros="drop")


# ------------------------------------------------------- checkpoints, misuse


def with_checkpoint(**rules):
    """Return a trained model, its optimiser and SET, and the states of all three before the supports moved on."""
    model = nng.mlp(SIZES, rng=0)
    optimizer = OPTIMIZERS["momentum"](model.parameters())
    evo = SET(model, epsilon=3, rng=0, **rules)
    after = evo.after_step if rules["every"] != "epoch" else evo.after_epoch
    x, y = data()
    early = [copy.deepcopy(part.state_dict()) for part in (model, optimizer, evo)]
    for _ in range(20):
        step(model, optimizer, x, y)
        after(optimizer)
    return model, optimizer, evo, after, early


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("every", [2, "epoch"])
def test_weights_of_another_support_are_refused_until_their_support_is_loaded_too(every, assign):
    model, optimizer, evo, after, early = with_checkpoint(every=every)
    model.load_state_dict(copy.deepcopy(early[0]), assign=assign)
    if assign:
        optimizer = OPTIMIZERS["momentum"](model.parameters())
    weights = bits(model)
    for read in (evo.graph, evo.core, evo.finish):
        with pytest.raises(ArgumentError, match=r"layer '0': got \d+ absent weights .*Load evo.state_dict\(\)"):
            read()
    assert bits(model) == weights
    step(model, optimizer, *data())
    weights = bits(model)
    for _ in range(2):
        with pytest.raises(ArgumentError, match=r"layer '0': got .* absent weights"):
            after(optimizer)
    assert bits(model) == weights
    for part, state in zip((model, optimizer, evo), early, strict=True):
        part.load_state_dict(state)
    x, y = data()
    for _ in range(20):
        step(model, optimizer, x, y)
        assert not model[0].weight.grad.numpy()[~evo.masks["0"]].any()
        after(optimizer)
    again = with_checkpoint(every=every)
    assert bits(model) == bits(again[0])
    assert evo.history.equals(again[2].history)


def test_weights_of_the_same_support_may_be_loaded_alone():
    model, optimizer, evo, after, _ = with_checkpoint(every=100)
    best = copy.deepcopy(model.state_dict())
    trained(evo, model, optimizer, 5)
    model.load_state_dict(best)
    assert evo.graph() == evo.core()
    step(model, optimizer, *data())
    after(optimizer)
    assert evo.finish() is model


def test_what_trains_under_torchs_masks_after_the_end_may_move_weights_below_them():
    model = nng.mlp(SIZES, rng=0)
    evo = SET(model, epsilon=3, rng=0)
    G = evo.graph()
    evo.finish()
    Shaking(model.parameters()).step()
    model(data()[0])  # torch applies the mask
    assert all(new.same_support(old) for new, old in zip(evo.graph().blocks, G.blocks, strict=True))


def test_an_optimizer_that_takes_the_place_of_another_is_checked_at_each_step():
    model = nng.mlp(SIZES, rng=0)
    evo = SET(model, epsilon=3, stop=9, rng=0)
    trained(evo, model, OPTIMIZERS["momentum"](model.parameters()), 3)
    with pytest.raises(ArgumentError, match="does not hold the weights of layer '0'"):
        evo.after_step(torch.optim.SGD(model[4].parameters(), lr=0.1))


def broken(state, **changes):
    return {**copy.deepcopy(state), **changes}


def test_a_state_that_set_did_not_give_is_refused_and_changes_nothing():
    model = nng.mlp(SIZES, rng=0)
    evo = SET(model, epsilon=3, every=2, regrow="init", rng=0)
    state = evo.state_dict()
    trained(evo, model, OPTIMIZERS["momentum"](model.parameters()), 4)

    def of_cells(what, values):
        layers = copy.deepcopy(state["layers"])
        layers["2"][what] = values
        return broken(state, layers=layers)

    cells = state["layers"]["2"]["cells"]
    absent = torch.from_numpy(np.setdiff1d(np.arange(750), cells.numpy()))
    cases = [
        (None, "got NoneType; expected what state_dict"),
        ({"layers": state["layers"]}, r"got a state without \['entropy', 'history', 'n', 'spawn_key'\]"),
        (broken(state, layers=3), "got a state of the layers 3"),
        (broken(state, layers={"0": 1, "2": 2}), "got a state of the layers {'0': 1, '2': 2}"),
        (broken(state, n=-1), "n: got -1"),
        (broken(state, n=None), "n: got None"),
        (broken(state, entropy="seed"), "the entropy 'seed'"),
        (broken(state, entropy=None), "the entropy None"),
        (broken(state, spawn_key=3), "the spawn_key 3"),
        (broken(state, history=[{"step": 1}]), "history of other columns"),
        (broken(state, history=3), "history of other columns"),
        (of_cells("cells", cells + 750), "layer '2': got 'cells' that are no cells.*from 0 to 749"),
        (of_cells("cells", cells.flip(0)), "ascending"),
        (of_cells("cells", cells.double()), "int64"),
        (of_cells("cells", [1, 2]), "int64"),
        (of_cells("grown", absent[:3]), "layer '2': got grown cells that are no edges"),
        (of_cells("first", None), "layer '2': got 'first' that are no weights"),
    ]
    before, weights = evo.state_dict(), bits(model)
    for bad, message in cases:
        with pytest.raises(ArgumentError, match=f"load_state_dict: .*{message}"):
            evo.load_state_dict(bad)
        assert repr(evo.state_dict()) == repr(before)
        assert bits(model) == weights
    evo.finish()
    with pytest.raises(ArgumentError, match=r"after finish\(\)"):
        evo.load_state_dict(state)


def test_a_layer_of_so_few_edges_that_none_ever_goes_is_said_once():
    model = nng.mlp((20, 6, 2), rng=0)
    masks = {"0": np.zeros((6, 20), dtype=bool)}
    masks["0"][:, 3] = True  # six edges: at most five of one sign
    evo = SET.from_masks(model, masks, zeta=0.15, every=1, rng=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    step(model, optimizer, *[data()[0], data()[1] % 2])
    with pytest.warns(SparsityWarning, match=r"layer '0': none of its 6 edges goes: the share zeta=0.15") as said:
        evo.after_step(optimizer)
    assert len(said) == 1
    evo.after_step(optimizer)  # another warning would be an error
    assert evo.history.added.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layers": 3}, "layers: got 3; expected names"),
        ({"layers": [[1]]}, r"layers: got \[\[1\]\]; expected names"),
        ({"layers": [None]}, r"layers: got \[None\]"),
        ({"regrow": np.zeros(2)}, "regrow: got array.*expected 0, 'normal' or 'init'"),
        ({"regrow": None}, "regrow: got None"),
        ({"regrow": False}, "regrow: got False"),
    ],
)
def test_an_argument_of_another_type_is_refused_in_one_sentence(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        SET(nng.mlp(SIZES, rng=0), **arguments)
