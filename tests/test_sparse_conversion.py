"""Models with sparse layers become graphs, and come back, as their masked twins do."""

import numpy as np
import pytest
import torch
from torch import nn

import nngraph as nng
from nngraph.dynamics import beta_eff
from nngraph.errors import ArgumentError, RoundTripError, UnsupportedLayerError
from nngraph.sparse import SparseLinear, densify, sparse_mlp


class Residual(nn.Module):
    """A sparse layer whose output is added to its input: only a trace sees that."""

    def __init__(self):
        super().__init__()
        self.first, self.second = SparseLinear(6, 6, 1, rng=0), SparseLinear(6, 3, 1, rng=1)

    def forward(self, x):
        return self.second(x + torch.relu(self.first(x=x)))


def small_model():
    return sparse_mlp([30, 40, 20, 4], 1.5, rng=0)


def test_the_graph_is_that_of_the_masked_model():
    model = small_model()
    G = nng.from_torch(model)
    assert nng.from_torch(densify(model)) == G
    assert nng.from_torch(model, example_input=torch.zeros(2, 30)) == G
    assert [part.name for part in G.parts] == ["input", "0", "2", "4"]
    assert [block.n_edges for block in G.blocks[:2]] == [model[0].n_edges, model[2].n_edges]


def test_a_trace_follows_a_sparse_layer_as_it_does_a_masked_one():
    model = Residual()
    example = torch.zeros(2, 6)
    G, H = (nng.from_torch(each, example_input=example) for each in (model, densify_residual(model)))
    assert G == H
    assert [(link.source, link.target, link.kind) for link in G.links] == [
        (link.source, link.target, link.kind) for link in H.links
    ]


def densify_residual(model):
    dense = Residual()
    dense.first, dense.second = model.first.to_linear(), model.second.to_linear()
    dense.forward = lambda x: dense.second(x + torch.relu(dense.first(x)))
    return dense


def test_a_present_edge_of_weight_0_is_an_edge():
    model = small_model()
    with torch.no_grad():
        model[0].values[::3] = -0.0
    for zeros in ("drop", "keep"):
        G = nng.from_torch(model, zeros=zeros)
        assert G.block("0").n_edges == model[0].n_edges
        same = nng.to_torch(G, model)
        assert torch.equal(same[0].values.view(torch.int32), model[0].values.view(torch.int32))  # bits: -0.0 too


def test_a_large_sparse_layer_is_held_as_compressed_rows():
    model = nn.Sequential(SparseLinear(3000, 2000, 4, rng=0))
    (block,) = nng.from_torch(model).blocks
    assert block.is_sparse
    assert np.array_equal(block.values, model[0].values.detach().numpy())


def test_operations_and_null_models_that_keep_the_support_are_written_back():
    model = small_model()
    G = nng.from_torch(model)
    x = torch.randn(3, 30)
    changes = (
        lambda H: nng.ops.prune(H, fraction=0.5),
        lambda H: nng.ops.flip_signs(H, fraction=0.2),
        lambda H: nng.nulls.randomize(H, "A", rng=0),
    )
    for change in changes:
        ours, oracle = (nng.to_torch(change(nng.from_torch(each)), each)(x) for each in (model, densify(model)))
        torch.testing.assert_close(ours, oracle)
    before = model[0](x)
    with nng.applied(G.with_weights(-G.weights()), model):
        torch.testing.assert_close(model[0](x), 2 * model[0].bias - before)
    assert nng.from_torch(model) == G
    from_arrays = nng.from_matrices([block.dense() for block in nng.ops.binarize(G).blocks])
    assert torch.equal(nng.to_torch(from_arrays, model)[0].values, model[0].values.sign())


def test_pruning_masks_stay_on_the_values_of_edges():
    model = small_model()
    H = nng.ops.prune(nng.from_torch(model), fraction=0.5)
    pruned = nng.to_torch(H, model, masks=True)
    rule = torch.optim.SGD(pruned.parameters(), lr=0.1)
    pruned(torch.randn(5, 30)).square().sum().backward()
    rule.step()
    assert nng.from_torch(pruned).block("0").same_support(H.block("0"))
    assert not torch.equal(pruned[0].values_orig, model[0].values)


def test_an_edge_that_the_layer_does_not_hold_is_refused_with_what_to_do():
    model = small_model()
    moved = nng.nulls.randomize(nng.from_torch(model), "configuration", rng=0)
    with pytest.raises(RoundTripError, match=r"edges that the sparse layer of '0.values' does not have.*densify"):
        nng.to_torch(moved, model)
    dense = densify(model)
    moved = nng.nulls.randomize(nng.from_torch(dense), "configuration", rng=0)
    assert nng.from_torch(nng.to_torch(moved, dense)) == moved


def test_a_layer_without_edges_goes_there_and_back():
    model = nn.Sequential(SparseLinear.from_cells(3, 2, np.zeros(0, dtype=int), np.zeros(0), np.ones(2)))
    G = nng.from_torch(model)
    assert G.n_edges == 0
    assert torch.equal(nng.to_torch(G, model)[0].bias, model[0].bias)


def test_a_stored_graph_finds_its_sparse_layers_again(tmp_path):
    model = small_model()
    G = nng.from_torch(model)
    nng.save(G, tmp_path / "net.nngraph")
    loaded = nng.load(tmp_path / "net.nngraph")
    assert loaded == G
    back = nng.to_torch(loaded.with_weights(2 * loaded.weights()), model)
    assert torch.equal(back[0].values, 2 * model[0].values)


def test_weights_that_are_not_finite_are_refused():
    model = small_model()
    with torch.no_grad():
        model[2].values[5] = torch.nan
    with pytest.raises(ArgumentError, match=r"'2.values': got 1 NaN"):
        nng.from_torch(model)


def test_neural_capacitance_is_that_of_the_masked_model():
    model = sparse_mlp([8, 12, 10, 9, 3], 2, dtype=torch.float64, rng=0).eval()
    x, y = torch.randn(20, 8, dtype=torch.float64), torch.randint(0, 3, (20,))
    ours, oracle = (beta_eff(each, x, y).value for each in (model, densify(model)))
    assert ours == pytest.approx(oracle, rel=1e-12)
    assert ours != 0
    shared = SparseLinear(8, 8, 1, rng=0)
    with pytest.raises(UnsupportedLayerError, match="used twice"):
        beta_eff(nn.Sequential(shared, nn.ReLU(), shared), torch.randn(2, 8), y[:2])


def test_evaluation_takes_a_sparse_model():
    model = small_model()
    x, y = torch.randn(50, 30), torch.randint(0, 4, (50,))
    tables = []
    for each in (model, densify(model)):
        G = nng.from_torch(each)
        tables.append(nng.evaluate([G, nng.ops.prune(G, fraction=0.5)], each, (x, y), metrics=("accuracy",)))
    assert tables[0].equals(tables[1])
    assert tables[0]["status"].tolist() == ["ok", "ok"]
