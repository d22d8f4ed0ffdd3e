"""What cannot be converted faithfully is refused: one clear error that names the module and says what to do."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune

import nngraph as nng
from nngraph.errors import ArgumentError, SizeError, UnsupportedLayerError


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


class Scaled(nn.Linear):
    def forward(self, x):
        return F.linear(x, 2 * self.weight, self.bias)


class Same(nn.Linear):
    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


class Use(nn.Module):
    """A bare parameter and what is done with it."""

    def __init__(self, use, shape=(4, 4)):
        super().__init__()
        self.use, self.W = use, nn.Parameter(torch.randn(shape))

    def forward(self, x):
        return self.use(self.W, x)


def old_style_weight_norm():
    with pytest.warns(FutureWarning):
        return nn.utils.weight_norm(nn.Linear(2, 2))


def soft_mask():
    layer = nn.Linear(2, 2)
    prune.identity(layer, "weight")
    layer.weight_mask.fill_(0.5)
    return layer


def tied_under_two_masks():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    prune.custom_from_mask(model[0], "weight", torch.tensor([[1, 0], [1, 1]]))
    prune.custom_from_mask(model[1], "weight", torch.tensor([[1, 1], [0, 1]]))
    return model


REFUSED = {
    "transposed convolution": (lambda: nn.ConvTranspose2d(2, 2, 3), "ConvTranspose2d.*transposed convolutions"),
    "bilinear": (lambda: nn.Bilinear(2, 2, 2), "Bilinear.*three sets"),
    "lstm cell": (lambda: nn.LSTMCell(2, 2), "LSTMCell.*nn.LSTM"),
    "embedding bag": (lambda: nn.EmbeddingBag(3, 2), "EmbeddingBag.*nn.Embedding"),
    "lazy": (lambda: nn.LazyLinear(2), "LazyLinear.*one batch"),
    "renormalised embedding": (lambda: nn.Embedding(3, 2, max_norm=1.0), "Embedding.*max_norm"),
    "weight norm": (lambda: parametrizations.weight_norm(nn.Linear(2, 2)), "'weight'.*remove_parametrizations"),
    "spectral norm": (lambda: parametrizations.spectral_norm(nn.Linear(2, 2)), "'weight'.*remove_parametrizations"),
    "old weight norm": (old_style_weight_norm, "'weight' is weight-normalised.*remove_weight_norm"),
    "old spectral norm": (lambda: nn.utils.spectral_norm(nn.Linear(2, 2)), "'weight'.*remove_spectral_norm"),
    "attention with added keys": (lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True), "MultiheadAttention.*bias_k"),
    "complex": (lambda: nn.Linear(2, 2, dtype=torch.complex64), r"'0\.weight'.*complex64.*real"),
    "soft pruning mask": (soft_mask, r"'0\.weight'.*other than 0 and 1.*prune\.remove"),
    "tied under two masks": (tied_under_two_masks, r"'0\.0\.weight'.*different pruning masks"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_layers_without_a_faithful_graph_are_refused_by_name(name):
    make, message = REFUSED[name]
    model = nn.Sequential(make())
    with pytest.raises(UnsupportedLayerError, match=f"'0.*{message}" if "'0" not in message else message):
        nng.from_torch(model)


def test_a_refused_layer_may_be_left_out():
    model = nn.Sequential(nn.Bilinear(2, 2, 2), nn.Linear(2, 2))
    G = nng.from_torch(model, layers="1")
    assert [block.name for block in G.blocks] == ["1"]
    assert G.skipped[0].reason == "not among layers="


def test_quantised_layers_are_refused():
    class FakeQuantised(nn.Module):
        __module__ = "torch.ao.nn.quantized.modules.linear"

    with pytest.raises(UnsupportedLayerError, match=r"'0'.*quantised"):
        nng.from_torch(nn.Sequential(FakeQuantised(), nn.Linear(2, 2)))
    packed = nn.Linear(2, 2)
    packed.weight = nn.Parameter(torch.ones(2, 2, dtype=torch.int8), requires_grad=False)
    with pytest.raises(UnsupportedLayerError, match=r"'weight'.*int8"):
        nng.from_torch(packed)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("parameter", ["weight", "bias"])
def test_weights_that_are_no_numbers_are_refused_with_their_count(bad, parameter):
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        getattr(layer, parameter).view(-1)[:2] = bad
    with pytest.raises(ArgumentError, match=f"'{parameter}'.*2 NaN or infinite"):
        nng.from_torch(layer)


def test_meta_tensors_are_refused():
    with pytest.raises(ArgumentError, match=r"'weight'.*meta device.*Load"):
        nng.from_torch(nn.Linear(2, 2, device="meta"))


@pytest.mark.parametrize("model", [nn.ReLU(), nn.BatchNorm1d(3), nn.Sequential()])
def test_models_without_edges_are_refused(model):
    with pytest.raises(ArgumentError, match="no module with weights"):
        nng.from_torch(model)


def test_unknown_layers_are_refused_with_what_there_is():
    with pytest.raises(ArgumentError, match=r"'fc7'.*'0', '1'"):
        nng.from_torch(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), layers=["0", "fc7"])


def test_a_convolution_without_a_policy_lists_the_three():
    with pytest.raises(ArgumentError, match=re.compile("'0'.*'channel'.*'entry'.*'unrolled'", re.DOTALL)):
        nng.from_torch(nn.Sequential(nn.Conv2d(1, 1, 3)))
    assert nng.from_torch(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Linear(2, 2)), layers="1").n_edges == 4


def test_unrolling_needs_an_example_and_has_a_limit():
    model = nn.Conv2d(3, 64, 3)
    with pytest.raises(ArgumentError, match="example_input"):
        nng.from_torch(model, conv="unrolled")
    with pytest.raises(SizeError, match=r"'conv2d'.*85,1\d\d,\d\d\d edges.*conv='entry'"):
        nng.from_torch(model, conv="unrolled", example_input=torch.zeros(1, 3, 224, 224))


@pytest.mark.parametrize("option", ["zeros", "conv", "conv_statistic"])
def test_unknown_options_are_refused(option):
    with pytest.raises(ArgumentError, match=f"{option}: got 'maybe'"):
        nng.from_torch(nn.Linear(2, 2), **{option: "maybe"})


def test_a_failing_example_is_reported_with_the_model_s_own_error():
    with pytest.raises(ArgumentError, match="example_input: the model failed on it with RuntimeError"):
        nng.from_torch(nn.Linear(2, 2), example_input=torch.zeros(1, 5))


USES = {
    "scaled": (lambda W, x: F.linear(x, 2 * W), "'W'.*'mul'"),
    "sliced": (lambda W, x: F.linear(x, W[:2]), "'W'.*'getitem'"),
    "product of parameters": (lambda W, x: x @ (W @ W), "'W'.*'matmul'"),
    "einsum": (lambda W, x: torch.einsum("bi,oi->bo", x, W), "'W'.*einsum"),
    "tensordot": (lambda W, x: torch.tensordot(x, W, 1), "'W'.*tensordot"),
    "bilinear": (lambda W, x: F.bilinear(x, x, W[None]), "'W'.*product"),
    "functional convolution": (lambda W, x: F.conv1d(x[:, :, None], W[:, :, None]), "'W'.*'getitem'"),
}


@pytest.mark.parametrize("name", USES)
def test_parameters_used_in_ways_that_are_not_read_are_refused_by_name(name):
    use, message = USES[name]
    with pytest.raises(UnsupportedLayerError, match=message):
        nng.from_torch(Use(use), example_input=torch.randn(3, 4))


def test_batched_and_convolved_bare_parameters_are_refused_by_name():
    with pytest.raises(UnsupportedLayerError, match=r"'W'.*\(2, 4, 4\).*matrix"):
        nng.from_torch(Use(lambda W, x: x @ W, (2, 4, 4)), example_input=torch.randn(2, 3, 4))
    with pytest.raises(UnsupportedLayerError, match=r"'W'.*functional convolution.*nn\.Conv1d"):
        nng.from_torch(Use(lambda W, x: F.conv1d(x, W), (2, 4, 3)), example_input=torch.randn(2, 4, 5))


def test_a_linear_layer_with_its_own_forward_is_read_from_the_trace():
    x = torch.randn(2, 3)
    with pytest.raises(UnsupportedLayerError, match=r"'weight'.*'mul'"):
        nng.from_torch(Scaled(3, 2), example_input=x)
    layer = Same(3, 2)
    assert nng.from_torch(layer, example_input=x).n_edges == 6
    with pytest.raises(UnsupportedLayerError, match="example_input"):
        nng.from_torch(layer)


@pytest.mark.parametrize("model", [3, nn.Linear, {"weight": torch.ones(2, 2)}], ids=["number", "class", "state dict"])
def test_what_is_no_module_is_refused(model):
    G = nng.from_torch(nn.Linear(2, 2))
    for call in (
        lambda: nng.from_torch(model),
        lambda: nng.to_torch(G, model),
        lambda: nng.applied(G, model).__enter__(),
    ):
        with pytest.raises(ArgumentError, match=r"model: got .*; expected a torch.nn.Module"):
            call()


def test_what_is_no_graph_is_refused():
    with pytest.raises(ArgumentError, match="G: got str; expected a NeuralGraph"):
        nng.to_torch("G", nn.Linear(2, 2))


@pytest.mark.parametrize("layers", [0, [0], [None]])
def test_layers_that_are_no_names_are_refused(layers):
    with pytest.raises(ArgumentError, match=r"layers: got .*; expected names of modules"):
        nng.from_torch(nn.Linear(2, 2), layers=layers)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scripted_module_is_refused_by_name():
    model = nn.Sequential(nn.Linear(3, 3), torch.jit.script(nn.Linear(3, 2)))
    with pytest.raises(UnsupportedLayerError, match=r"module '1' .*torch.jit has compiled it"):
        nng.from_torch(model)
    G = nng.from_torch(model, layers="0")
    assert torch.equal(nng.to_torch(G, model)[0].weight, model[0].weight)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_normalised_output_projection_of_attention_is_refused():
    model = nn.MultiheadAttention(4, 2)
    nn.utils.weight_norm(model.out_proj)
    with pytest.raises(UnsupportedLayerError, match=r"out_proj.*weight-normalised"):
        nng.from_torch(model)


@pytest.mark.parametrize("example", ["abc", 3, np.ones((2, 3), np.float32)], ids=["text", "number", "array"])
def test_an_example_that_is_no_tensor_is_refused(example):
    with pytest.raises(ArgumentError, match=r"example_input: got .*; expected a tensor"):
        nng.from_torch(nn.Sequential(nn.Linear(3, 2)), example_input=example)


def test_an_example_without_a_sample_is_refused():
    with pytest.raises(ArgumentError, match=r"example_input: got an empty tensor of shape \(0, 3\)"):
        nng.from_torch(nn.Sequential(nn.Linear(3, 2)), example_input=torch.ones(0, 3))
