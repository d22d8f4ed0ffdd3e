"""Small random models of the transformers library: wiring of their attention, and every bit on the way back."""

import pytest
import torch

import nngraph as nng

transformers = pytest.importorskip("transformers")

IDS = torch.arange(14).reshape(2, 7)


def gpt2(attention):
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=20, n_positions=8, n_embd=12, n_layer=2, n_head=3, bos_token_id=0, eos_token_id=0,
            attn_implementation=attention,
        )
    )  # fmt: skip


def bert(attention):
    return transformers.BertModel(
        transformers.BertConfig(
            vocab_size=20, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=24,
            max_position_embeddings=8, attn_implementation=attention,
        )
    )  # fmt: skip


def distilbert(attention):
    return transformers.DistilBertModel(
        transformers.DistilBertConfig(
            vocab_size=20, dim=12, n_layers=2, n_heads=3, hidden_dim=24, max_position_embeddings=8,
            attn_implementation=attention,
        )
    )  # fmt: skip


def llama(attention):
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=20, hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=8, attn_implementation=attention,
        )
    )  # fmt: skip


def graph(make, attention="sdpa"):
    torch.manual_seed(0)
    model = make(attention)
    return model, nng.from_torch(model, example_input={"input_ids": IDS})


def wires(G):
    return {block.name: (block.source, block.target) for block in G.blocks}


@pytest.mark.parametrize("make", [gpt2, bert, distilbert, llama])
def test_every_bit_comes_back(make):
    model, G = graph(make)
    new = nng.to_torch(G, model)
    for (name, a), b in zip(model.state_dict().items(), new.state_dict().values(), strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes(), name
    scaled = nng.to_torch(G.with_weights(0.5 * G.weights()), model)
    assert nng.from_torch(scaled, example_input={"input_ids": IDS}).weights().tolist() == (0.5 * G.weights()).tolist()


@pytest.mark.parametrize("make", [gpt2, bert, distilbert, llama])
def test_both_implementations_of_attention_are_wired_alike(make):
    assert wires(graph(make, "eager")[1]) == wires(graph(make, "sdpa")[1])


@pytest.mark.parametrize("make", [bert, distilbert])
def test_encoder_reads_values_and_carries_a_residual_stream(make):
    _, G = graph(make)
    w = wires(G)
    if make is bert:
        names = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
        names += ["intermediate.dense", "output.dense"]
        prefix, stream = "encoder.layer", "embeddings.word_embeddings"
    else:
        names = [f"attention.{n}_lin" for n in ("q", "k", "v", "out")] + ["ffn.lin1", "ffn.lin2"]
        prefix, stream = "transformer.layer", "embeddings.word_embeddings"
    assert w["embeddings.word_embeddings"] == ("input", stream)
    assert w["embeddings.position_embeddings"][1] == stream
    links = {(link.source, link.target, link.kind) for link in G.links}
    expected_links = set()
    for i in range(2):
        q, k, v, out, up, down = (f"{prefix}.{i}.{name}" for name in names)
        assert [w[name] for name in (q, k, v)] == [(stream, name) for name in (q, k, v)]
        assert (w[out], w[up], w[down]) == ((v, out), (out, up), (up, down))
        expected_links |= {(stream, out, "identity"), (out, down, "identity")}
        stream = down
    assert links == expected_links


def test_gpt2_reads_the_values_as_a_slice_and_ties_its_head():
    model, G = graph(gpt2)
    w = wires(G)
    assert w["transformer.wpe"] == ("transformer.wpe.in", "transformer.wte")
    assert w["lm_head"] == ("transformer.h.1.mlp.c_proj", "lm_head")
    assert G.block("lm_head").origin.key == G.block("transformer.wte").origin.key
    (link,) = (link for link in G.links if link.target == "transformer.h.0.attn.c_proj.in")
    assert (link.source, link.kind) == ("transformer.h.0.attn.c_attn", "replica")
    assert link.index.tolist() == list(range(24, 36))
    assert G.block("transformer.h.0.attn.c_attn").origin.layout == "transposed"
    x = torch.randn(3, 12)
    expected = model.transformer.h[0].attn.c_attn(x).detach()
    block = G.block("transformer.h.0.attn.c_attn")
    assert torch.allclose(x @ torch.from_numpy(block.dense().T.copy()) + torch.from_numpy(block.bias.copy()), expected)


def test_llama_links_gates_and_grouped_values():
    _, G = graph(llama)
    at = "model.layers.0"
    links = {(link.source, link.target, link.kind): link for link in G.links}
    assert (f"{at}.mlp.gate_proj", f"{at}.mlp.down_proj.in", "gate") in links
    assert (f"{at}.mlp.up_proj", f"{at}.mlp.down_proj.in", "gate") in links
    values = links[f"{at}.self_attn.v_proj", f"{at}.self_attn.o_proj.in", "replica"]
    assert values.index.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7]
