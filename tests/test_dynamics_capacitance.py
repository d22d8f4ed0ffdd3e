"""beta_eff in closed form: against golden values, autograd, explicit line graphs, and the theorems about it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from capacitance_oracle import Oracle, batch, network
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

import nngraph as nng
from nngraph.dynamics import beta_eff
from nngraph.errors import ArgumentError, CapacitanceWarning, UnsupportedLayerError

GOLDEN = json.loads((Path(__file__).parent / "golden_beta.json").read_text(encoding="utf-8"))["cases"]
VARIANTS = ("frozen", "hessian", "hessian_support")
NETWORKS = {
    "complete": {},
    "half": {"density": 0.5},
    "smooth": {"activation": nn.Tanh},
    "half, smooth": {"density": 0.6, "activation": nn.SiLU, "bias": False},
    "leaky": {"activation": lambda: nn.LeakyReLU(0.2)},
    "squashed outputs": {"density": 0.7, "tail": [nn.Sigmoid()]},
}
SIZES = {"squared": (4, 5, 4, 3), "cross_entropy": (4, 5, 3, 4, 3)}


def golden_model(case):
    modules = []
    for weights, mask in zip(case["weights"], case["masks"], strict=True):
        weight = torch.tensor(weights, dtype=torch.float64)
        layer = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=False).double()
        with torch.no_grad():
            layer.weight.copy_(weight)
        modules += [prune.custom_from_mask(layer, "weight", torch.tensor(mask)), nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def asked(name):
    return {"absolute": True} if name == "absolute" else {"variant": name}


@pytest.mark.filterwarnings("ignore::nngraph.errors.CapacitanceWarning")
@pytest.mark.parametrize("name", [*VARIANTS, "absolute"])
@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case['loss']} {case['sizes']}")
def test_golden_values_come_out_for_their_weights_and_data(case, name):
    loss = case["loss"].replace("mse", "squared")
    x, y = np.array(case["x"]), np.array(case["y"])
    b = beta_eff(golden_model(case), x, y, loss=loss, **asked(name))
    assert b.value == pytest.approx(case["beta_eff"][name], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", [*VARIANTS, "absolute"])
@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_the_closed_form_is_the_sum_over_pairs_of_weights_by_autograd(kind, loss, name):
    sizes = SIZES[loss]
    model = network(sizes, **NETWORKS[kind])
    x, y = batch(sizes, loss)
    oracle = Oracle(model, x, y, loss)
    b = beta_eff(model, x, y, loss=loss, **asked(name))
    every = oracle.every_pair() if name == "hessian" else oracle.networkx_pairs()
    numerator, denominator = oracle.parts(name, every)
    assert b.numerator == pytest.approx(numerator, rel=1e-11, abs=1e-13)
    assert b.denominator == pytest.approx(denominator, rel=1e-11, abs=1e-13)
    assert b.value == pytest.approx(numerator / denominator, rel=1e-12)
    if name == "frozen":  # no pair without a common neuron is joined
        assert oracle.parts(name, oracle.every_pair()) == pytest.approx((numerator, denominator), rel=1e-12)


def test_batch_normalisation_in_evaluation_mode_and_parametric_slopes_are_part_of_the_slopes():
    rng = np.random.default_rng(3)
    first, *rest = network((4, 5, 4, 3), seed=2)
    norm = nn.BatchNorm1d(5).double().eval()
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        tensor.data.copy_(torch.from_numpy(rng.uniform(0.5, 2, size=5)))
    model = nn.Sequential(first, norm, nn.PReLU(5, init=0.3).double(), nn.Dropout(0.5).eval(), *rest[1:]).eval()
    x, y = batch((4, 5, 4, 3), "squared")
    oracle = Oracle(model, x, y, "squared")
    for name in VARIANTS:
        numerator, denominator = oracle.parts(
            name, oracle.every_pair() if name == "hessian" else oracle.networkx_pairs()
        )
        assert beta_eff(model, x, y, loss="squared", variant=name).value == pytest.approx(
            numerator / denominator, rel=1e-12
        )


@pytest.mark.parametrize("name", [*VARIANTS, "absolute"])
def test_contributions_of_blocks_and_of_neurons_add_up_to_the_whole(name):
    model = network((4, 6, 5, 4, 3), density=0.7)
    b = beta_eff(model, *batch((4, 6, 5, 4, 3), "cross_entropy"), **asked(name))
    for table in (b.blocks, b.nodes):
        assert table.numerator.sum() == pytest.approx(b.numerator, rel=1e-12)
        assert table.denominator.sum() == pytest.approx(b.denominator, rel=1e-12)
    assert list(b.blocks.block) == ["0", "2", "4", "6"]
    assert list(b.blocks.n_edges) == [int(layer.weight_mask.sum()) for layer in model[::2]]
    assert b.nodes.index.names == ["part", "index"]
    assert b.nodes.groupby("part").size().to_dict() == {"0": 6, "2": 5, "4": 4}
    G = nng.from_torch(model)
    assert set(b.nodes.index) == {(part.name, i) for part in G.parts[1:-1] for i in range(part.size)}
    assert [block.name for block in G.blocks] == list(b.blocks.block)


@given(st.integers(0, 10_000), st.sampled_from(VARIANTS))
def test_order_of_neurons_and_of_samples_does_not_matter(seed, variant):
    sizes = (3, 4, 5, 3)
    model, (x, y) = network(sizes, seed=seed), batch(sizes, "squared", seed=seed)
    rng = np.random.default_rng(seed)
    neurons, samples = torch.from_numpy(rng.permutation(4)), rng.permutation(len(x))
    other = network(sizes, seed=seed)
    with torch.no_grad():
        for parameter in (other[0].weight, other[0].bias):
            parameter.copy_(parameter[neurons].clone())
        other[2].weight.copy_(other[2].weight[:, neurons].clone())
    a = beta_eff(model, x, y, loss="squared", variant=variant)
    b = beta_eff(other, x[samples], y[samples], loss="squared", variant=variant)
    scale = 1e-9 * max(abs(a.numerator), abs(a.denominator), 1)
    assert b.numerator == pytest.approx(a.numerator, rel=1e-9, abs=scale)
    assert b.denominator == pytest.approx(a.denominator, rel=1e-9, abs=scale)


def test_errors_of_the_other_sign_flip_the_sign_of_beta_eff_and_their_scale_scales_it():
    model = network((4, 5, 4, 3))
    x, errors = batch((4, 5, 4, 3), "squared")
    value = beta_eff(model, x, None, loss=errors).value
    assert beta_eff(model, x, None, loss=-errors).value == pytest.approx(-value, rel=1e-12)
    assert beta_eff(model, x, None, loss=3 * errors).value == pytest.approx(3 * value, rel=1e-12)


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_per_sample_errors_of_a_known_loss_give_what_the_loss_gives(loss):
    model = network(SIZES[loss])
    x, y = batch(SIZES[loss], loss)
    out = model(torch.from_numpy(x)).detach()
    answers = torch.from_numpy(y)
    errors = out.softmax(1) - nn.functional.one_hot(answers) if loss == "cross_entropy" else out - answers
    expected = beta_eff(model, x, y, loss=loss)
    assert beta_eff(model, x, None, loss=errors).value == pytest.approx(expected.value, rel=1e-12)


def test_numbers_of_the_other_byte_order_and_answers_in_lists_are_the_same_numbers():
    model = network(SIZES["cross_entropy"])
    x, y = batch(SIZES["cross_entropy"], "cross_entropy")
    turned = x.astype(x.dtype.newbyteorder("S"))
    assert beta_eff(model, turned, y.tolist()).value == beta_eff(model, x, y).value


def test_a_backbone_that_is_a_function_may_read_texts():
    model = network(SIZES["cross_entropy"])
    x, y = batch(SIZES["cross_entropy"], "cross_entropy")
    texts = np.array([f"sample {i}" for i in range(len(x))])
    read = {text: torch.from_numpy(row) for text, row in zip(texts, x, strict=True)}
    found = beta_eff(model, texts, y, backbone=lambda given: torch.stack([read[text] for text in given]))
    assert found.value == beta_eff(model, x, y).value


def test_under_the_squared_loss_classes_are_one_hot():
    model = network((4, 5, 4, 3))
    x, classes = batch((4, 5, 4, 3), "cross_entropy")
    one_hot = np.eye(3)[classes]
    expected = beta_eff(model, x, one_hot, loss="squared").value
    assert beta_eff(model, x, classes, loss="squared").value == expected


# ------------------------------------------------------------------ zero theorems


@pytest.mark.parametrize("name", [*VARIANTS, "absolute"])
@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_two_weight_layers_give_zero_and_a_warning_that_says_why(loss, name):
    with pytest.warns(CapacitanceWarning, match="with two weight layers"):
        b = beta_eff(network((4, 6, 3)), *batch((4, 6, 3), loss), loss=loss, **asked(name))
    assert (b.value, b.numerator) == (0.0, 0.0)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("density", [1.0, 0.5])
def test_three_weight_layers_give_zero_under_cross_entropy_of_complete_outputs(variant, density):
    sizes = (4, 5, 4, 3)
    model = network(sizes, density=density)
    model[4] = network((4, 3), seed=5)[0]  # complete whatever the others are
    x, y = batch(sizes, "cross_entropy")
    oracle = Oracle(model, x, y, "cross_entropy")
    pairs = oracle.every_pair() if variant == "hessian" else oracle.networkx_pairs()
    numerator, denominator = oracle.parts(variant, pairs)
    assert abs(numerator) < 1e-13 < 1e-6 < abs(denominator)
    with pytest.warns(CapacitanceWarning, match="with three weight layers"):
        b = beta_eff(model, x, y, variant=variant)
    assert (b.value, b.numerator) == (0.0, 0.0)
    assert b.denominator == pytest.approx(denominator, rel=1e-11)


def test_errors_that_add_up_to_zero_are_known_without_a_loss():
    x, _ = batch((4, 5, 4, 3), "squared")
    errors = np.random.default_rng(0).normal(size=(len(x), 3))
    with pytest.warns(CapacitanceWarning, match="with three weight layers"):
        b = beta_eff(network((4, 5, 4, 3)), x, None, loss=errors - errors.mean(1, keepdims=True))
    assert b.value == 0.0
    almost = beta_eff(network((4, 5, 4, 3)), x, None, loss=errors - (1 - 1e-6) * errors.mean(1, keepdims=True))
    assert 0 < abs(almost.value) < 1e-4


@pytest.mark.parametrize(
    ("change", "arguments"),
    [("none", {"loss": "squared"}), ("none", {"absolute": True}), ("outputs", {}), ("squashed", {})],
)
def test_three_weight_layers_are_not_zero_where_no_theorem_says_so(change, arguments):
    sizes = (4, 5, 4, 3)
    model = network(sizes, tail=[nn.Tanh()] if change == "squashed" else [])
    if change == "outputs":
        mask = torch.ones(3, 4)
        mask[1, 2] = 0
        prune.custom_from_mask(model[4], "weight", mask)
    b = beta_eff(model, *batch(sizes, "cross_entropy"), **arguments)
    assert abs(b.value) > 1e-6


def test_a_neuron_joined_to_no_output_leaves_the_theorem_true():
    model = network((4, 5, 4, 3))
    mask = torch.ones(3, 4)
    mask[:, 2] = 0
    prune.custom_from_mask(model[4], "weight", mask)
    with pytest.warns(CapacitanceWarning, match="with three weight layers"):
        assert beta_eff(model, *batch((4, 5, 4, 3), "cross_entropy")).value == 0.0


def test_a_denominator_that_cancels_gives_nan_and_both_sums():
    model = network((4, 5, 4, 3), bias=False)
    x, errors = batch((4, 5, 4, 3), "squared")
    twice = beta_eff(model, np.concatenate([x, x]), None, loss=np.concatenate([errors, -errors]))
    assert np.isnan(twice.value)
    assert abs(twice.denominator) < 1e-13
    nearly = beta_eff(model, np.concatenate([x, x]), None, loss=np.concatenate([errors, -0.999 * errors]))
    assert nearly.value == pytest.approx(0.0005 * beta_eff(model, x, None, loss=errors).value, rel=1e-8)
    assert np.isnan(beta_eff(model, x, None, loss=0 * errors).value)


# ------------------------------------------------------------------ supports, precision, side effects


def test_a_zero_weight_is_no_edge_unless_a_mask_says_that_it_is():
    sizes = (4, 5, 4, 3)
    x, y = batch(sizes, "squared")
    model = network(sizes)
    present = torch.ones(4, 5)
    present[1, 3] = present[2, 0] = 0
    with torch.no_grad():
        model[2].weight.mul_(present)
    masked, kept = network(sizes), network(sizes)
    prune.custom_from_mask(masked[2], "weight", present)
    with torch.no_grad():
        kept[2].weight.mul_(present)
    prune.custom_from_mask(kept[2], "weight", torch.ones(4, 5))
    values = [beta_eff(m, x, y, loss="squared").value for m in (model, masked, kept)]
    assert values[0] == values[1]
    assert values[2] != pytest.approx(values[0], rel=1e-3)


def test_a_weight_that_training_moved_under_its_mask_is_read_as_it_is_now():
    model = network((4, 5, 4, 3), density=0.6)
    x, y = batch((4, 5, 4, 3), "squared")
    with torch.no_grad():
        model[2].weight_orig.mul_(2)  # .weight follows at the next forward pass only
    value = beta_eff(model, x, y, loss="squared").value
    model(torch.from_numpy(x))
    assert value == pytest.approx(beta_eff(model, x, y, loss="squared").value, rel=1e-15)
    oracle = Oracle(model, x, y, "squared")
    numerator, denominator = oracle.parts("frozen", oracle.networkx_pairs())
    assert value == pytest.approx(numerator / denominator, rel=1e-12)


def test_single_precision_agrees_with_double():
    sizes = (20, 30, 30, 20, 5)
    model, (x, y) = network(sizes), batch(sizes, "cross_entropy", n=60)
    exact, single = beta_eff(model, x, y), beta_eff(model.float(), x, y)
    assert single.value == pytest.approx(exact.value, rel=1e-3)
    assert single.value != exact.value


def test_the_model_and_the_state_of_torch_are_left_as_they_were():
    model = nn.Sequential(*(nn.ReLU(inplace=True) if isinstance(m, nn.ReLU) else m for m in network((4, 5, 4, 3))))
    plain, (x, y) = network((4, 5, 4, 3)), batch((4, 5, 4, 3), "squared")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    given, state = x.copy(), torch.random.get_rng_state()
    with torch.no_grad():
        values = [beta_eff(model, x, y, loss="squared", variant=variant).value for variant in VARIANTS]
    assert values == [beta_eff(plain, x, y, loss="squared", variant=variant).value for variant in VARIANTS]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())
    assert np.array_equal(x, given)


@pytest.mark.parametrize("kind", ["module", "function", "features", "in the model"])
def test_a_probe_network_on_a_frozen_backbone_sees_its_features(kind):
    backbone = nng.resnet9(1, 6, width=4, rng=0)
    images = np.random.default_rng(0).normal(size=(12, 1, 14, 14)).astype(np.float32)
    y = np.arange(12) % 3
    probe = network((6, 8, 7, 5, 3)).float()
    features = backbone(torch.from_numpy(images)).detach()
    expected = beta_eff(probe, features, y).value
    if kind == "features":
        found = beta_eff(probe, features.numpy(), y)
    elif kind == "in the model":
        found = beta_eff(nn.Sequential(nn.Flatten(), nn.Sequential(probe)), features.reshape(12, 2, 3), y)
    else:
        found = beta_eff(probe, images, y, backbone=backbone if kind == "module" else lambda x: backbone(x))
    assert found.value == pytest.approx(expected, rel=1e-5)
    assert all(parameter.grad is None for parameter in backbone.parameters())


@pytest.mark.parametrize("variant", VARIANTS)
def test_features_made_in_inference_mode_will_do(variant):
    model, (x, y) = network((4, 5, 4, 3)), batch((4, 5, 4, 3), "squared")
    with torch.inference_mode():
        features = 1 * torch.from_numpy(x)
    value = beta_eff(model, features, y, loss="squared", variant=variant).value
    assert value == beta_eff(model, x, y, loss="squared", variant=variant).value


# ------------------------------------------------------------------ bad input


def bad(**changes):
    """Arguments of which all but the changes are good."""
    x, y = batch((4, 5, 4, 5, 3), "cross_entropy")
    return {"model": network((4, 5, 4, 5, 3)), "x": x, "y": y} | changes


def with_weight(value):
    model = network((4, 5, 4, 5, 3))
    with torch.no_grad():
        model[2].weight[1, 1] = value
    return model


X, Y = batch((4, 5, 4, 5, 3), "cross_entropy")
LINEAR = nn.Linear(4, 4)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (bad(model=[1]), "model: got list"),
        (bad(model=network((4, 3))), "got 1 linear layers; expected at least 2"),
        (bad(model=nn.Sequential(nn.ReLU())), "got 0 linear layers"),
        (
            bad(model=nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))),
            "BatchNorm1d '1' mixes the samples of the batch; expected evaluation mode: call model.eval()",
        ),
        (
            bad(
                model=nn.Sequential(
                    nn.Linear(4, 5), nn.BatchNorm1d(5, track_running_stats=False), nn.Linear(5, 3)
                ).eval(),
            ),
            "give it running statistics",
        ),
        (bad(model=nn.Sequential(nn.Linear(4, 5), nn.Dropout())), "Dropout '1' is random"),
        (bad(backbone=nn.BatchNorm1d(4)), "call backbone.eval() first"),
        (bad(backbone=3), "backbone: got int"),
        (bad(backbone=lambda x: [x]), "backbone: gave list"),
        (bad(loss="hinge"), "got 'hinge'; expected 'cross_entropy', 'squared', or an (n, outputs)"),
        (bad(loss=np.zeros((9, 2))), "per-sample errors of shape (9, 2); expected (9, 3)"),
        (bad(loss=np.full((9, 3), np.nan)), "27 values that are NaN or infinite"),
        (bad(loss=np.ones((9, 3)), variant="hessian"), "needs their curvature"),
        (bad(variant="exact"), "variant: got 'exact'"),
        (bad(variant="hessian", absolute=True), "expected variant='frozen'"),
        (bad(model=with_weight(np.nan)), "layer '2': got 1 weights that are NaN or infinite"),
        (bad(model=with_weight(1e308), x=1e20 * X), "layer '2': gave"),
        (bad(x=np.where(X > 0, X, np.nan)), "x: got"),
        (bad(x=X.astype(np.int64)), "got inputs of type torch.int64; expected floats"),
        (bad(x=X.tolist()), "x: got list"),
        (bad(x=X[:, :3]), "expected (n, 4). Give samples of that many numbers."),
        (bad(x=X[:, None]), "expected (n, 4). Flatten"),
        (bad(x=X.astype(str)), "x: got values of type <U32; expected an array of numbers"),
        (bad(y=np.array(list("abc"))[Y]), "y: got values of type <U1; expected an array of numbers"),
        (bad(y=[[0], [1, 2]]), "y: got rows of several lengths"),
        (bad(y=torch.tensor(1)), "y: got one number for 9 samples"),
        (bad(loss=np.full((9, 3), "a")), "loss: got values of type <U1"),
        (bad(absolute="no"), "absolute: got 'no'; expected True or False"),
        (bad(x=X[:0]), "at least one sample"),
        (bad(y=Y[1:]), "got 8 answers for 9 samples"),
        (bad(y=None), "y: got NoneType"),
        (bad(y=Y.astype(float)), "expected (n,) integer classes"),
        (bad(y=Y + 1), "got classes from 1 to 3; expected 0 to 2"),
        (bad(y=np.ones((9, 2)), loss="squared"), "expected (9, 3), or (n,) classes"),
        (bad(model=network((4, 5, 3)).half()), "convert by model.float()"),
    ],
)
def test_bad_input_is_said_in_one_sentence(arguments, says):
    with pytest.raises(ArgumentError, match=re.escape(says)):
        beta_eff(**arguments)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (nng.resnet9(1, 3, width=4, rng=0), "model: ResNet9 'ResNet9' is neither a linear layer"),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3)), "Conv2d '0' is a convolution"),
        (nn.Sequential(nn.Linear(4, 3), nn.Softmax(1)), "cross_entropy' takes logits, so leave it out"),
        (nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 3)), "LayerNorm '1' is neither"),
        (nn.Sequential(LINEAR, nn.ReLU(), LINEAR, nn.Linear(4, 3)), "'2' is used twice"),
    ],
)
def test_what_is_no_multilayer_perceptron_is_refused_with_the_way_out(model, says):
    with pytest.raises(UnsupportedLayerError, match=re.escape(says)):
        beta_eff(model, X, Y)


def test_classes_without_a_sample_are_named():
    with pytest.warns(
        CapacitanceWarning, match=re.escape("1 of 3 classes have no sample in the probe batch (1)")
    ) as found:
        b = beta_eff(network((4, 5, 4, 5, 3)), X, np.where(Y == 1, 2, Y))
    assert np.isfinite(b.value)
    assert found[0].filename == __file__
