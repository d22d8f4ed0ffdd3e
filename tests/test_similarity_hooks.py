"""Rules for the axes of any tap, which samples are drawn, what the model is left as, and what is refused."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tapped import check, normal
from torch import nn

import nngraph as nng
from nngraph.errors import ArgumentError
from nngraph.similarity import Tap, representations

# rules for axes


class Emits(nn.Module):
    """Gives back its input, or what a function makes of it, through a module that can be tapped."""

    def __init__(self, function=lambda x: x):
        super().__init__()
        self.tapped, self.function = nn.Identity(), function
        self.eval()

    def forward(self, x, attention_mask=None):
        return self.tapped(self.function(x))


def taken(x, tap="tapped", function=lambda x: x, **more):
    taps = {"t": tap if isinstance(tap, Tap) else Tap(tap)}
    return representations(Emits(function), x, taps, **more)["t"]


@pytest.mark.parametrize(
    ("shape", "rule", "expected"),
    [
        ((3,), {}, lambda x: x[:, None]),
        ((3, 4), {"tokens": "mean", "channels": "mean"}, lambda x: x),
        ((3, 4, 2), {}, lambda x: x.reshape(3, 8)),
        ((3, 4, 2), {"tokens": "mean"}, lambda x: x.mean(1)),
        ((3, 4, 2), {"tokens": "first"}, lambda x: x[:, 0]),
        ((3, 4, 2), {"tokens": "last"}, lambda x: x[:, -1]),
        ((3, 4, 2, 5), {"tokens": "last"}, lambda x: x.reshape(3, 40)),
        ((3, 4, 2, 5), {"channels": "mean"}, lambda x: x.mean((2, 3))),
        ((3, 4, 2, 5, 2), {"channels": "mean"}, lambda x: x.mean((2, 3, 4))),
    ],
)
def test_axes_of_any_module_go_by_their_number(shape, rule, expected):
    x = normal(*shape)
    np.testing.assert_allclose(taken(x, **rule), expected(x), atol=1e-15)


def test_a_tap_says_what_its_axes_are_where_their_number_would_mislead():
    x = normal(3, 4, 6)
    np.testing.assert_allclose(taken(x, Tap("tapped", kind="image"), channels="mean"), x.mean(2), atol=1e-15)
    assert (taken(x, Tap("tapped", kind="features"), tokens="last") == x.reshape(3, 24)).all()
    heads = Tap("tapped", kind="tokens", head=1, heads=3)
    assert (taken(x, heads, tokens="first") == x[:, 0, 2:4]).all()


@pytest.mark.parametrize("causal", [True, False])
def test_of_an_attention_map_the_queries_are_the_positions_and_hidden_keys_are_left_out(causal):
    x = normal(2, 3, 4, 4)
    tap = Tap("tapped", kind="attention", head=2, causal=causal)
    pairs = [(q, k) for q in range(4) for k in range(4) if k <= q or not causal]
    one = x[:, 2]
    assert (taken(x, tap) == np.stack([one[:, q, k] for q, k in pairs], 1)).all()
    assert (taken(x, tap, tokens="first") == (one[:, 0, :1] if causal else one[:, 0])).all()
    assert (taken(x, tap, tokens="last") == one[:, 3]).all()
    means = [one[:, [q for q, key in pairs if key == k], k].mean(1) for k in range(4)]
    np.testing.assert_allclose(taken(x, tap, tokens="mean"), np.stack(means, 1), atol=1e-15)
    assert (taken(x, Tap("tapped", kind="attention")) == x.reshape(2, -1)).all()


def test_padding_does_not_reach_any_rule_for_tokens():
    x, mask = normal(3, 4, 2), np.array([[0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 1, 1]])
    hidden_values = np.where(mask[:, :, None] == 1, x, np.nan)
    batch = {"x": hidden_values, "attention_mask": mask}
    rows = [x[i, mask[i] == 1] for i in range(3)]
    for rule, of in (("first", lambda r: r[0]), ("last", lambda r: r[-1]), ("mean", lambda r: r.mean(0)),
                     ("flatten", lambda r: r.ravel())):  # fmt: skip
        np.testing.assert_allclose(taken(batch, tokens=rule), np.stack([of(r) for r in rows]), atol=1e-15)


@pytest.mark.parametrize("values", [torch.arange(6).reshape(3, 2), torch.tensor([[True], [False], [True]])])
def test_integers_become_float64(values):
    reps = taken(values)
    assert reps.dtype == np.float64
    assert reps.tolist() == values.double().tolist()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floats_keep_the_dtype_of_the_model_but_half_precision_becomes_float32_exactly(dtype):
    model = nng.mlp((3, 2), rng=0).to(dtype).eval()
    x = normal(4, 3)
    reps = representations(model, x)
    assert reps["0"].dtype == (np.float64 if dtype == torch.float64 else np.float32)
    with torch.no_grad():
        assert reps["0"].tolist() == model(torch.from_numpy(x).to(dtype)).double().tolist()


def test_entries_of_tuples_and_mappings_and_inputs_of_a_module_are_within_reach():
    class Two(nn.Module):
        def forward(self, x, *, shift):
            return None, x + shift, {"deep": 2 * x}

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.two, self.named = Two(), Emits(lambda x: {"a": x, "b": -x})

        def forward(self, x, y):
            self.named(x)
            return self.two(x + y, shift=torch.ones(1))[1]

    x, y = normal(3, 2), normal(3, 2, seed=1)
    taps = {
        "first": "two", "second": Tap("two", item=1), "a": "named", "b": Tap("named", item="b"),
        "sum": Tap("two", side="input"), "whole": "",
    }  # fmt: skip
    expected = {"first": x + y + 1, "second": x + y + 1, "a": x, "b": -x, "sum": x + y, "whole": x + y + 1}
    check(representations(Outer().eval(), (x, y), taps), expected)
    check(representations(Outer().eval(), {"x": x, "y": y}, taps), expected)
    for bad, item in (("two", 0), ("two", 2), ("two", 7), ("named", "c")):
        with pytest.raises(ArgumentError, match=r"tap 't': (got a|a tuple without|a dict without)"):
            representations(Outer().eval(), (x, y), {"t": Tap(bad, item=item)})


# which samples


@given(st.integers(2, 40), st.integers(2, 45), st.integers(1, 50), st.integers(0, 3))
def test_the_same_sorted_rows_are_drawn_for_every_tap_whatever_the_batches(total, n, batch_size, seed):
    model, x = nng.mlp((2, 3, 1), rng=0).double().eval(), normal(total, 2)
    reps = representations(model, x, n=n, rng=seed, batch_size=batch_size)
    assert len(reps.ids) == min(n, total)
    assert (np.diff(reps.ids) > 0).all()
    every = representations(model, x, n=None)
    assert every.ids.tolist() == list(range(total))
    for name, values in reps.items():
        np.testing.assert_allclose(values, every[name][reps.ids], atol=1e-14)
    again = representations(nn.Sequential(nn.Identity()).eval(), x, n=n, rng=seed)
    assert again.ids.tolist() == reps.ids.tolist()
    assert (again["0"] == x[reps.ids]).all()


def test_seeds_draw_other_rows_every_row_can_be_drawn_and_fewer_samples_are_some_of_more():
    x = np.arange(20.0)[:, None]
    few, more = (set(representations(Emits(), x, ["tapped"], n=n, rng=1).ids.tolist()) for n in (6, 11))
    assert few < more
    draws = [representations(Emits(), x, ["tapped"], n=10, rng=seed).ids.tolist() for seed in range(20)]
    assert len({tuple(rows) for rows in draws}) > 15
    assert set().union(*draws) == set(range(20))


def test_ids_of_the_user_travel_along():
    names = [f"s{i}" for i in range(12)]
    x = normal(12, 2)
    reps = representations(Emits(), x, ["tapped"], ids=names, n=5, rng=1)
    assert all((reps["tapped"][i] == x[names.index(name)]).all() for i, name in enumerate(reps.ids))
    pandas = pytest.importorskip("pandas")
    assert representations(Emits(), x, ["tapped"], ids=pandas.Series(names)).ids.tolist() == names
    for bad, words in ((names[:3], "expected 12 integers or texts"), (["a"] * 12, "'a'.* more than once"),
                       (np.ones(12), "type float64"), (np.eye(12, dtype=int), r"shape \(12, 12\)")):  # fmt: skip
        with pytest.raises(ArgumentError, match=words):
            representations(Emits(), x, ["tapped"], ids=bad)


# what the model is left as, and what is refused


class Fails(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.eval()

    def forward(self, x):
        self.linear(x)
        raise RuntimeError("out of luck")


def hooks(model):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def test_hooks_are_gone_afterwards_also_after_an_error_and_the_users_own_stay():
    model = Fails()
    model.linear.register_forward_hook(lambda *_: None)
    for taps in (["linear"], {"in": Tap("linear", side="input")}):
        with pytest.raises(ArgumentError, match="out of luck") as caught:
            representations(model, normal(3, 2), taps)
        assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(ArgumentError):
        representations(Emits(lambda x: x * np.nan), normal(3, 2), ["tapped"])
    assert hooks(model) == 1


def test_weights_gradients_buffers_and_random_state_are_left_as_they_were():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Dropout(0.5)).eval()
    model(torch.ones(1, 3)).sum().backward()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    gradients = [p.grad.clone() for p in model.parameters()]
    torch.manual_seed(3)
    before = torch.get_rng_state()
    reps = representations(model, normal(5, 3), device="cpu")
    assert (reps["2"] == reps["1"]).all()
    assert (torch.get_rng_state() == before).all()
    assert hooks(model) == 0
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), gradients, strict=True))
    assert all(p.requires_grad for p in model.parameters())


def test_no_graph_of_gradients_is_built():
    tracked = []
    model = nng.mlp((3, 2), rng=0).eval()
    model[0].register_forward_hook(lambda module, args, output: tracked.append(output.requires_grad))
    representations(model, normal(5, 3))
    assert tracked == [False]
    assert torch.is_grad_enabled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_model_comes_back_from_the_device_with_the_same_representations():
    model, x = nng.transformer(7, 3, width=12, depth=1, heads=4, rng=1).double(), torch.arange(12).reshape(4, 3) % 7
    there = representations(model, x, device="cuda")
    assert {p.device.type for p in model.parameters()} == {"cpu"}
    check(there, dict(representations(model, x)))


def test_a_transformer_encoder_of_torch_does_not_pass_its_hooks_by():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    x = torch.from_numpy(normal(3, 4, 8)).float()
    reps = representations(model, x, ["layers.0.linear1", "layers.0", "layers.1"], tokens="mean")
    with torch.no_grad():
        first = model.layers[0](x)
        expected = [first.mean(1), model.layers[1](first).mean(1)]
    np.testing.assert_allclose(reps["layers.0"], expected[0], atol=1e-5)
    np.testing.assert_allclose(reps["layers.1"], expected[1], atol=1e-5)


def training_inside():
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.5))).eval()
    model[1][0].train()
    return model


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: nng.mlp((2, 2)).train(), "the Sequential is in training mode"),
        (training_inside, "its module '1.0' is in training mode"),
        (lambda: "mlp", "model: got a str; expected a torch.nn.Module"),
    ],
)
def test_a_model_in_training_mode_is_refused_and_told_what_to_do(model, words):
    with pytest.raises(ArgumentError, match=words) as caught:
        representations(model(), normal(3, 2))
    assert "training" not in words or "call model.eval() first" in str(caught.value)


@pytest.mark.parametrize(
    ("taps", "words"),
    [
        (["0.resid_pree"], "near names are '0.resid_pre'"),
        (["blocks.0.attention.querry"], "no module 'blocks.0.attention.querry'; near names are '.*query'"),
        ("atuo", "near names are 'auto'"),
        ({"a": Tap("zzz")}, "'a'.* no module 'zzz'; see model.named_modules"),
        ([], "taps: got none"),
        (3, "taps: got 3; expected 'auto'"),
        (None, "taps: got None"),
        (["0.k0", "0.k0"], "'0.k0' more than once"),
        ({"a": Tap("blocks.0.attention.key", kind="tokens", head=0, heads=5)}, "8 dimensions, which 5 heads"),
        ({"a": Tap("blocks.0.attention.scores", kind="attention", head=2)}, "head=2; expected one of 2"),
        ({"a": Tap("blocks.0.attention.scores", kind="tokens")}, r"shape \(3, 2, 2, 2\).*not that of 'tokens'"),
    ],
)
def test_taps_that_do_not_exist_are_refused_with_near_names(taps, words):
    model = nng.transformer(5, 2, width=8, depth=1, heads=2, rng=0)
    with pytest.raises(ArgumentError, match=words):
        representations(model, np.zeros((3, 2), dtype=int), taps)


@pytest.mark.parametrize("taps", ["auto", "blocks"])
def test_a_model_that_is_not_known_is_refused_with_what_to_do(taps):
    with pytest.raises(ArgumentError, match="Emits, whose layers are not known here; expected a list of names"):
        representations(Emits(), normal(3, 2), taps)
    assert list(representations(Emits(), normal(3, 2), "all")) == ["tapped"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"kind": "picture"}, "kind='picture'"),
        ({"side": "both"}, "side='both'"),
        ({"head": 1}, "head=1 of heads=None"),
        ({"head": 3, "heads": 3}, "head=3 of heads=3"),
    ],
)
def test_a_tap_that_makes_no_sense_is_refused_when_it_is_made(more, words):
    with pytest.raises(ArgumentError, match=words):
        Tap("m", **more)


class Reuses(nn.Module):
    def __init__(self, times):
        super().__init__()
        self.relu, self.linear, self.times = nn.ReLU(), nn.Linear(2, 2), times
        self.eval()

    def forward(self, x):
        for _ in range(self.times):
            x = self.relu(self.linear(x))
        return x


@pytest.mark.parametrize(("times", "words"), [(2, "'linear' more than once"), (0, "does not call its module 'linear'")])
def test_a_module_that_is_called_twice_or_never_is_refused(times, words):
    model = Reuses(times)
    with pytest.raises(ArgumentError, match=words):
        representations(model, normal(3, 2), ["linear"])
    assert hooks(model) == 0


@pytest.mark.parametrize(
    ("x", "function", "words"),
    [
        (normal(3, 2), lambda x: x / 0 * (x > 9), "tap 't': got 6 values that are NaN or infinite"),
        (normal(3, 2), lambda x: x.sum(), r"shape \(\) for 3 samples"),
        (normal(3, 2), lambda x: x[:1], r"shape \(1, 2\) for 3 samples; expected the samples along the first"),
        (normal(3, 2), lambda x: [], "got a list; expected a tensor"),
        (normal(3, 2), lambda x: x + 1j, "type complex128; expected numbers"),
        (normal(1, 2), lambda x: x, r"shape \(1, 2\); expected at least 2 samples"),
        (np.float64(3), lambda x: x, "expected at least 2 samples"),
        ("text", lambda x: x, "got a str that is no array of numbers"),
        (None, lambda x: x, "got a NoneType that is no array of numbers"),
        ({}, lambda x: x, "inputs: got none"),
        ({"x": normal(3, 2), "attention_mask": normal(4, 2)}, lambda x: x, r"inputs\['attention_mask'\]: .*\(4, 2\)"),
        ({"x": normal(3, 2), "attention_mask": np.ones(3)}, lambda x: x, "expected .samples, positions."),
        ((normal(3, 2), normal(2, 2)), lambda x: x, r"inputs\[1\]: got the shape \(2, 2\)"),
    ],
)  # fmt: skip
def test_inputs_and_outputs_that_are_no_samples_are_refused(x, function, words):
    with pytest.raises(ArgumentError, match=words):
        taken(x, function=function)


def test_padding_that_a_tap_cannot_follow_is_refused():
    mask = np.array([[1, 1, 0], [1, 0, 0]])
    with pytest.raises(ArgumentError, match="attention map of a padded batch"):
        taken({"x": normal(2, 3, 3), "attention_mask": mask}, Tap("tapped", kind="attention"), tokens="last")
    with pytest.raises(ArgumentError, match="4 positions with an attention mask of 3"):
        taken({"x": normal(2, 4, 3), "attention_mask": mask}, tokens="last")


def test_an_output_that_is_wider_in_some_batches_is_refused():
    with pytest.raises(ArgumentError, match="3 dimensions after 2 in batches before"):
        taken(np.array([1, 1, 2, 2]), function=lambda x: x.new_zeros(2, 1 + int(x[0])), batch_size=2)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"n": 1}, "n: got 1"), ({"n": 2.5}, "n: got 2.5"), ({"n": True}, "n: got True"),
        ({"batch_size": 0}, "batch_size: got 0"), ({"tokens": "cls"}, "tokens: got 'cls'"),
        ({"channels": "max"}, "channels: got 'max'"), ({"device": "nowhere"}, "device: got 'nowhere'"),
        ({"device": "meta"}, "got 'meta'"), ({"rng": "seed"}, "rng: got 'seed'"),
    ],
)  # fmt: skip
def test_arguments_out_of_range_are_refused(more, words):
    with pytest.raises(ArgumentError, match=words):
        taken(normal(3, 2), **more)


def test_constant_representations_are_taken_as_they_are():
    assert (taken(normal(3, 2), function=lambda x: 0 * x) == 0).all()


def test_memory_is_that_of_the_representations_and_of_a_batch():
    model, x = nn.Sequential(*(nn.Identity() for _ in range(5))).eval(), normal(2000, 200)
    tracemalloc.start()
    try:
        reps = representations(model, x, n=1000, batch_size=50)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * sum(values.nbytes for values in reps.values())


@pytest.mark.parametrize("positions", [2, 3, 4])
@pytest.mark.parametrize("n", [2, 3, 6])
def test_all_leaves_out_what_has_no_row_for_each_sample_whatever_their_numbers(positions, n, caplog):
    model = nng.transformer(7, positions, width=8, depth=1, heads=2, rng=0)
    tokens = np.random.default_rng(0).integers(0, 7, (n, positions))
    with caplog.at_level("INFO", logger="nngraph"):
        reps = representations(model, tokens, "all", batch_size=positions)
    left = [name for name, module in model.named_modules() if not list(module.children()) and name not in reps]
    assert all(name in caplog.text for name in left)
    if (n, positions) != (2, 2):  # two samples of two positions can not be told apart
        assert left == ["position"]
    named = representations(model, tokens, list(reps))
    assert all(np.allclose(reps[name], named[name], atol=1e-6) for name in reps)


@pytest.mark.parametrize(
    ("model", "inputs", "words", "cause"),
    [
        (nng.mlp((4, 2), rng=0), np.eye(4, dtype=int), r"refused a batch of int64 \(4, 4\)", RuntimeError),
        (nng.resnet9(width=2, rng=0), np.zeros((2, 3, 32, 32), dtype=np.uint8), "batch of uint8", RuntimeError),
        (nng.transformer(5, 2, width=8, depth=1, heads=2, rng=0), np.full((2, 2), 5), "vocabulary", IndexError),
    ],
    ids=["mlp", "resnet9", "transformer"],
)
def test_inputs_that_a_model_refuses_get_a_sentence_and_the_reason(model, inputs, words, cause):
    with pytest.raises(ArgumentError, match=words) as caught:
        representations(model, inputs)
    assert isinstance(caught.value.__cause__, cause)
