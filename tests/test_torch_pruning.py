"""Pruning masks of torch: read as the support, written with it, installed to keep edges absent under training."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import nngraph as nng
from nngraph.errors import UnsupportedLayerError


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def state(model):
    return {name: tensor.detach().numpy().tobytes() for name, tensor in model.state_dict().items()}


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb, self.out = nn.Embedding(9, 4), nn.Linear(4, 9)
        self.out.weight = self.emb.weight

    def forward(self, ids):
        return self.out(self.emb(ids))


def pruned():
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    prune.random_unstructured(model[0], "weight", 0.5)
    prune.random_unstructured(model[2], "bias", 0.4)
    with torch.no_grad():
        model[0].weight_orig.view(-1)[::4] = -0.0
    return model


def test_values_under_a_mask_come_back_bit_for_bit():
    model = pruned()
    before = state(model)
    new = nng.to_torch(nng.from_torch(model), model)
    assert state(new) == before
    assert state(model) == before
    x = torch.randn(4, 6)
    assert torch.equal(new(x), model(x))


def test_an_edited_pruned_block_moves_the_mask_with_the_support():
    model = pruned()
    before = state(model)
    effective = model[0].weight.detach().clone()
    G = nng.from_torch(model)
    support = np.roll(G.blocks[0].mask, 1, axis=1)
    edited = G.blocks[0].with_matrix(np.where(support, 2.0, 0.0).astype(np.float32), support)
    H = G.replace_blocks([edited, G.blocks[1]])
    with nng.applied(H, model):
        np.testing.assert_array_equal(model[0].weight.detach(), edited.dense())
        np.testing.assert_array_equal(model[0].weight_mask, support)
        assert nng.from_torch(model) == H
        x = torch.randn(2, 6)
        expected = torch.relu(x @ torch.from_numpy(edited.dense().copy()).T + model[0].bias)
        assert torch.allclose(model[:2](x), expected)
    assert state(model) == before
    assert torch.equal(model[0].weight, effective)


def test_masks_keep_absent_edges_absent_under_training():
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    G = nng.from_torch(model)
    H = G.with_support(np.random.default_rng(1).random(G.n_edges) < 0.5)
    new = nng.to_torch(H, model, masks=True)
    optimizer = torch.optim.Adam(new.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        new(torch.randn(8, 6)).square().sum().backward()
        optimizer.step()
    trained = nng.from_torch(new)
    assert all(a.same_support(b) for a, b in zip(trained.blocks, H.blocks, strict=True))
    assert not np.array_equal(trained.weights(), H.weights())
    assert all(not name.endswith("_mask") for name, _ in model.named_buffers())


def test_masks_are_shared_by_tied_weights_and_packed_projections():
    for model in (Tied(), nn.LSTM(3, 4), nn.MultiheadAttention(4, 2)):
        G = nng.from_torch(model)
        H = without_first_edge(G)
        new = nng.to_torch(H, model, masks=True)
        again = nng.from_torch(new)
        assert all(a.same_support(b) for a, b in zip(again.blocks, H.blocks, strict=True))


def without_first_edge(G):
    """Drop edge (0, 0) of the first matrix, from every block that shows it."""
    blocks = []
    for block in G.blocks:
        keep = np.ones(block.n_edges, dtype=bool)
        keep[0] = block.origin.key != G.blocks[0].origin.key
        blocks.append(block.with_support(keep))
    return G.replace_blocks(blocks)


def test_masks_on_the_output_projection_of_attention_are_refused():
    model = nn.MultiheadAttention(4, 2)
    G = nng.from_torch(model)
    keep = np.ones(G.n_edges, dtype=bool)
    keep[-1] = False
    with pytest.raises(UnsupportedLayerError, match=r"out_proj\.weight.*masks=False"):
        nng.to_torch(G.with_support(keep), model, masks=True)
