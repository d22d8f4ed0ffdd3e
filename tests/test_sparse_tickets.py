"""Lottery tickets: what is pruned and rewound, and what their controls keep."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pruned import X, Y, accuracy, net, training, untrained, weights_of
from torch import nn

import nngraph as nng
from nngraph.errors import ArgumentError, StudyError

# ----------------------------------------------------------------------- what is pruned


@settings(max_examples=12)
@given(fraction=st.floats(0.05, 0.9), rounds=st.integers(1, 4))
def test_every_block_loses_the_rounded_share_of_its_edges_and_keeps_one(fraction, rounds):
    found = nng.sparse.lottery_tickets(net(), untrained, rounds, fraction=fraction, rng=0)
    expected = [24, 84, 21]
    for number in range(1, rounds + 1):
        shares = [fraction, fraction, fraction / 2]
        expected = [max(n - round(round(p * n, 6)), 1) for n, p in zip(expected, shares, strict=True)]
        assert [block.n_edges for block in found.graph(number).blocks] == expected
        assert found.rounds["edges"][number] == sum(expected)


def test_densities_follow_the_geometric_law_to_within_the_rounding_of_counts():
    found = nng.sparse.lottery_tickets(nng.mlp((40, 30, 10), rng=0), untrained, 12, fraction=0.25, rng=0)
    for block, n, p in (("0", 1200, 0.25), ("2", 300, 0.125)):
        law = n * (1 - p) ** found.rounds["round"]
        assert (abs(n * found.rounds[f"density:{block}"] - law) <= 0.5 / p).all()
    assert found.rounds["density"].iloc[-1] == found.rounds["edges"].iloc[-1] / 1500


def test_the_smallest_trained_magnitudes_go_and_the_others_stay():
    found = nng.sparse.lottery_tickets(net(), training(), 3, fraction=0.3, rng=1)
    for number in range(3):
        before, after = found.graph(number), found.masks(number + 1)
        for block in before.blocks:
            order = np.argsort(abs(block.values), kind="stable")
            n = block.n_edges - int(after[block.name].sum())
            flat = np.arange(block.n_source * block.n_target)
            present = flat if block.mask is None else np.flatnonzero(block.mask)
            assert sorted(present[order[n:]]) == np.flatnonzero(after[block.name]).tolist()


def test_rates_of_single_blocks_take_the_place_of_the_usual_ones():
    found = nng.sparse.lottery_tickets(net(), untrained, 1, fraction=0.5, rates={"0": 0.0, "4": 0.9}, rng=0)
    assert [block.n_edges for block in found.graph(1).blocks] == [24, 42, 2]


def test_tied_matrices_are_pruned_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.emb = nn.Embedding(6, 4)
            self.out = nn.Linear(4, 6, bias=False)
            self.out.weight = self.emb.weight

        def forward(self, x):
            return self.out(self.emb(x))

    found = nng.sparse.lottery_tickets(Tied(), untrained, 2, fraction=0.5, rates={"out": 0.5}, rng=0)
    assert [block.n_edges for block in found.graph(2).blocks] == [6, 6]


def test_an_edge_that_training_leaves_at_zero_is_present_and_goes_first():
    def train(model, seed):
        with torch.no_grad():
            model[0].weight[3, 1] = 0

    found = nng.sparse.lottery_tickets(net(), train, 1, fraction=0.04, rng=0)
    assert found.graph(0).block("0").n_edges == 24
    assert np.argwhere(~found.masks(1)["0"]).tolist() == [[3, 1]]


# ----------------------------------------------------------------------- what is rewound


def test_survivors_and_biases_start_each_round_from_the_bits_of_the_model_that_was_given():
    seen, model = [], net()

    def train(masked, seed):
        seen.append(({k: v.clone() for k, v in masked.state_dict().items()}, weights_of(masked)))
        yield from training()(masked, seed)

    before = [value.clone() for value in model.state_dict().values()]
    found = nng.sparse.lottery_tickets(model, train, 3, rng=0)
    assert all(torch.equal(a, b) for a, b in zip(before, model.state_dict().values(), strict=True))
    for number, (state, weights) in enumerate(seen):
        for mask, now, first in zip(found.masks(number).values(), weights, weights_of(model), strict=True):
            assert np.array_equal(now, np.where(mask, first, 0))
        assert all(torch.equal(state[f"{i}.bias"], model[i].bias) for i in (0, 2, 4))
        assert found.initial(number) == nng.from_torch(found.trainer.model(found.initial(number), {}), zeros="keep")


def test_rewinding_to_a_step_starts_later_rounds_from_the_weights_after_it():
    kept, starts = [], []

    def train(model, seed):
        starts.append(weights_of(model))
        for step, _ in enumerate(training()(model, seed), 1):
            if len(starts) == 1 and step == 4:
                kept.extend(weights_of(model))
            yield

    found = nng.sparse.lottery_tickets(net(), train, 2, rewind=4, rng=0)
    for number in (1, 2):
        for mask, start, after in zip(found.masks(number).values(), starts[number], kept, strict=True):
            assert np.array_equal(start, np.where(mask, after, 0))
    assert not np.array_equal(kept[0], starts[0][0])


@pytest.mark.parametrize(
    "options",
    [{"weight_decay": 0.1}, {"optimizer": torch.optim.SGD, "momentum": 0.9}, {"optimizer": torch.optim.AdamW}],
    ids=["adam", "momentum", "adamw"],
)
def test_no_optimiser_revives_an_absent_edge(options):
    seen = []

    def train(model, seed):
        for _ in training(**options)(model, seed):
            model(X)
            seen.append([int((weight != 0).sum()) for weight in weights_of(model)])
            yield

    found = nng.sparse.lottery_tickets(net(), train, 2, fraction=0.5, rng=0)
    sizes = [[block.n_edges for block in found.graph(number).blocks] for number in range(3)]
    assert seen == [size for size in sizes for _ in range(6)]
    again = found.model(2)
    optimizer = torch.optim.SGD(again.parameters(), lr=1.0, momentum=0.9)
    for _ in range(3):
        nn.functional.cross_entropy(again(X), Y).backward()
        optimizer.step()
    assert nng.from_torch(again, zeros="keep").n_edges == sum(sizes[2])


class Normalised(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


@pytest.mark.parametrize("in_folder", [False, True])
def test_the_model_of_a_round_is_the_one_that_was_scored_with_its_normalisation(tmp_path, in_folder):
    outputs = []

    def scores(model):
        assert not model.training
        assert not torch.is_grad_enabled()
        outputs.append(model(X).clone())
        return {"mean": outputs[-1].mean()}

    folder = tmp_path / "rounds" if in_folder else None
    found = nng.sparse.lottery_tickets(Normalised(), training(), 2, scores=scores, folder=folder, rng=0)
    for number in range(3):
        assert torch.equal(found.model(number)(X), outputs[number])
        assert found.rounds["mean"][number] == float(outputs[number].mean())
    assert not torch.equal(found.model(0)[1].running_mean, found.model(2)[1].running_mean)


def test_the_same_seed_gives_the_same_rounds_whatever_torch_has_drawn_before_and_draws_nothing_from_it():
    torch.manual_seed(5)
    first = nng.sparse.lottery_tickets(net(), training(), 2, rng=3)
    assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(5)))
    torch.manual_seed(6)
    again, other = (nng.sparse.lottery_tickets(net(), training(), 2, rng=rng) for rng in (3, 4))
    assert first.graphs == again.graphs
    assert first.graphs != other.graphs


# ----------------------------------------------------------------------- controls


@pytest.fixture(scope="module")
def tickets():
    model = nng.mlp((2, 30, 20, 3), rng=0)
    return nng.sparse.lottery_tickets(model, training(), 4, fraction=0.3, scores=accuracy, rng=0)


@pytest.mark.parametrize("kind", ["random", "shuffle", "degree", "reinitialize", "signed_configuration"])
@pytest.mark.filterwarnings("ignore:kind .* has no legal move:nngraph.errors.NullModelWarning")
def test_a_control_has_as_many_edges_in_each_block_and_the_biases_of_the_ticket(tickets, kind):
    control = nng.sparse.ticket_control(tickets, kind)
    assert control.trained == [1, 2, 3, 4]
    counts = [name for name in tickets.rounds if name.startswith(("density", "edges"))]
    pd.testing.assert_frame_equal(control.rounds[counts], tickets.rounds[counts].iloc[1:].reset_index(drop=True))
    for number in control.trained:
        own, its = control.initial(number), tickets.initial(number)
        assert nng.nulls.shared(its, own) >= {"density"}
        assert all(np.array_equal(a.bias, b.bias) for a, b in zip(own.blocks, its.blocks, strict=True))
        assert control.masks(number).keys() == tickets.masks(number).keys()
        assert own != its
        assert own.blocks != control.graph(number).blocks


def test_random_masks_are_nested_and_hold_the_weights_of_the_whole_network(tickets):
    control = nng.sparse.ticket_control(tickets, "random")
    start, last = tickets.initial(0), None
    for number in control.trained:
        G = control.initial(number)
        for block, whole in zip(G.blocks, start.blocks, strict=True):
            assert np.array_equal(block.dense(), np.where(control.masks(number)[block.name], whole.dense(), 0))
            assert last is None or not (control.masks(number)[block.name] & ~last[block.name]).any()
        last = control.masks(number)
    assert any((last[name] != mask).any() for name, mask in tickets.masks(4).items())


def test_cells_of_a_random_mask_are_uniform(tickets):
    hits = np.zeros((30, 2))
    for seed in range(400):
        hits += (
            nng.sparse.tickets._at_random(tickets.initial(0), tickets.graph(4), np.random.SeedSequence(seed))
            .block(0)
            .mask
        )
    n = tickets.graph(4).block(0).n_edges
    expected = 400 * n / 60
    chi = ((hits - expected) ** 2).sum() / (expected * (1 - n / 60))
    assert 30 < chi < 95  # chi-square with 59 degrees of freedom: both tails below 0.002


def test_a_shuffled_ticket_has_the_weights_of_the_ticket_elsewhere_and_a_reinitialised_one_others_there(tickets):
    shuffled, fresh = (nng.sparse.ticket_control(tickets, kind, rounds=[3]) for kind in ("shuffle", "reinitialize"))
    for block, other, new in zip(
        tickets.initial(3).blocks, shuffled.initial(3).blocks, fresh.initial(3).blocks, strict=True
    ):
        assert np.array_equal(np.sort(block.values), np.sort(other.values))
        assert not block.same_support(other)
        assert block.same_support(new)
        assert not (block.values == new.values).any()
        assert (abs(new.values) <= 1 / np.sqrt(block.n_source)).all()


def test_the_degree_control_keeps_all_degrees_and_moves_edges(tickets):
    control = nng.sparse.ticket_control(tickets, "degree", rounds=[3])
    for side in ("source", "target"):
        own, its = (nng.stats.degree(G, side=side) for G in (control.initial(3), tickets.initial(3)))
        assert own.equals(its)
    assert not control.initial(3).block("2").same_support(tickets.initial(3).block("2"))


def test_a_control_is_the_same_each_time_goes_on_in_its_folder_and_refuses_that_of_another(tickets, tmp_path):
    first = nng.sparse.ticket_control(tickets, "random", rounds=[2])
    again = nng.sparse.ticket_control(tickets, "random", rounds=[1, 2], folder=tmp_path / "random")
    assert first.graph(2) == again.graph(2)
    other = nng.sparse.ticket_control(tickets, "random", rounds=[2], rng=1)
    assert first.graph(2) != other.graph(2)
    with pytest.raises(StudyError, match="other settings"):
        nng.sparse.ticket_control(tickets, "shuffle", rounds=[2], folder=tmp_path / "random")


def test_controls_of_rewound_tickets_start_from_the_weights_after_the_step():
    found = nng.sparse.lottery_tickets(net(), training(), 2, rewind=3, rng=0)
    control = nng.sparse.ticket_control(found, "random", rounds=[2])
    for block, mask in zip(control.initial(2).blocks, control.masks(2).values(), strict=True):
        late = found._store.kept("start")[0].block(block.name).dense()
        assert np.array_equal(block.dense(), np.where(mask, late, 0))
        assert not np.array_equal(late, found.initial(0).block(block.name).dense())


def test_a_control_that_is_none_is_refused(tickets):
    with pytest.raises(ArgumentError, match="kind: got 'rewire'"):
        nng.sparse.ticket_control(tickets, "rewire")
    with pytest.raises(ArgumentError, match="round: got 9"):
        nng.sparse.ticket_control(tickets, "random", rounds=[9])
    control = nng.sparse.ticket_control(tickets, "random", rounds=[1])
    with pytest.raises(ArgumentError, match="expected the Tickets that lottery_tickets gave"):
        nng.sparse.ticket_control(control, "random")
