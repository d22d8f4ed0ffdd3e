"""The untrained twin of models with masks, of wrapped models, and of those whose weights are computed."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import nngraph as nng
from nngraph.errors import ArgumentError, UnsupportedLayerError


def pruned():
    base = nng.mlp((12, 10, 8), rng=0)
    return nng.to_torch(nng.ops.prune(nng.from_torch(base), fraction=0.5), base, masks=True)


@pytest.mark.parametrize("passed", [False, True])
def test_the_twin_of_a_pruned_model_keeps_the_masks_and_no_trained_weight(passed):
    model = pruned()
    x = torch.randn(4, 12, generator=torch.Generator().manual_seed(0))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    if passed:
        with torch.no_grad():
            model(x)
    else:
        model(x)
    twin = nng.untrained_twin(model, rng=1)
    with torch.no_grad():
        model(x)
        twin(x)
    assert list(twin.state_dict()) == list(model.state_dict())
    for trained, fresh in zip(model, twin, strict=True):
        if isinstance(trained, nn.Linear):
            mask = trained.weight_mask.bool()
            assert torch.equal(fresh.weight_mask, trained.weight_mask)
            assert 0 < int(mask.sum()) < mask.numel()
            assert not bool((fresh.weight == trained.weight)[mask].any())
            assert bool((fresh.weight[~mask] == 0).all())
    for key, value in before.items():
        assert torch.equal(value, model.state_dict()[key])


def test_the_twin_of_a_pruned_model_can_be_trained_under_its_masks():
    twin = nng.untrained_twin(pruned(), rng=1)
    twin(torch.ones(3, 12)).square().sum().backward()
    assert bool((twin[0].weight_orig.grad[~twin[0].weight_mask.bool()] == 0).all())
    assert bool((twin[0].weight_orig.grad != 0).any())


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("wrap", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm, nn.utils.spectral_norm])
def test_weights_that_are_computed_from_other_parameters_are_refused(wrap):
    model = nn.Sequential(wrap(nn.Linear(4, 4)), nn.Linear(4, 2)).eval()
    with pytest.raises(UnsupportedLayerError, match=r"0\."):
        nng.untrained_twin(model, rng=0)


def test_the_output_projection_of_attention_starts_from_the_zero_bias_of_torch():
    model = nn.MultiheadAttention(8, 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    twin = nng.untrained_twin(model, rng=0)
    assert not bool(twin.out_proj.bias.any())
    assert not bool(twin.in_proj_bias.any())
    assert float(twin.in_proj_weight.detach().std()) > 0.05


class Wrapped(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner, self.head = inner, nn.Linear(4, 2)


@pytest.fixture
def bert():
    transformers = pytest.importorskip("transformers")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return transformers.BertModel(
            transformers.BertConfig(
                vocab_size=60, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
            )
        ).eval()


def test_a_wrapped_model_of_transformers_starts_from_its_configuration_too(bert):
    model = Wrapped(bert)
    twin = nng.untrained_twin(model, rng=0)
    embedding = twin.inner.embeddings.word_embeddings.weight.detach()
    assert float(embedding.std()) == pytest.approx(bert.config.initializer_range, rel=0.1)
    assert not torch.equal(embedding, bert.embeddings.word_embeddings.weight)
    assert not torch.equal(twin.head.weight, model.head.weight)


def test_wrapped_networks_of_ours_start_from_their_own_law():
    inner = nng.transformer(50, 4, width=16, depth=1, rng=0)
    twin = nng.untrained_twin(Wrapped(copy.deepcopy(inner)), rng=1).inner
    assert float(twin.embedding.weight.detach().std()) == pytest.approx(1 / np.sqrt(16), rel=0.1)
    assert not torch.equal(twin.embedding.weight, inner.embedding.weight)


def test_the_twin_has_the_parts_of_the_model_and_no_others(bert):
    bert.pooler = None
    twin = nng.untrained_twin(bert.double(), rng=0)
    assert twin.pooler is None
    assert {key: (v.shape, v.dtype) for key, v in twin.state_dict().items()} == {
        key: (v.shape, v.dtype) for key, v in bert.state_dict().items()
    }


def test_parts_that_a_configuration_does_not_make_are_refused(bert):
    bert.extra = nn.Linear(3, 3)
    with pytest.raises(UnsupportedLayerError, match=r"a BertModel has the parameter 'extra\.bias'"):
        nng.untrained_twin(bert, rng=0)


@pytest.mark.parametrize("n", [2, 250, 251, 501])
def test_batch_normalisation_never_meets_a_batch_of_one_sample(n):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    x = np.random.default_rng(0).standard_normal((n, 3)).astype("float32")
    twin = nng.untrained_twin(model, x, rng=0)
    expected = twin[0](torch.from_numpy(x)).detach().mean(dim=0)
    torch.testing.assert_close(twin[1].running_mean, expected, rtol=0, atol=0.02)


def test_batch_normalisation_of_one_sample_is_refused():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    with pytest.raises(ArgumentError, match="inputs: got 1 samples; expected at least 2"):
        nng.untrained_twin(model, np.zeros((1, 3), dtype="float32"), rng=0)
