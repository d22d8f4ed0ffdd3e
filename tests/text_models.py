"""Tiny models of Hugging Face with random weights, and a tokenizer of a few words."""

import torch

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "a", "the", "plot", "dull", "fine"]


def configs():
    """The classes of encoders and decoders that blocks are found in, each with three blocks of width 8."""
    from transformers import BertConfig, DistilBertConfig, GPT2Config

    return {
        "bert": BertConfig(
            vocab_size=12, hidden_size=8, num_hidden_layers=3, num_attention_heads=2, intermediate_size=16,
            max_position_embeddings=16,
        ),
        "distilbert": DistilBertConfig(
            vocab_size=12, dim=8, n_layers=3, n_heads=2, hidden_dim=16, max_position_embeddings=16
        ),
        "gpt2": GPT2Config(
            vocab_size=12, n_embd=8, n_layer=3, n_head=2, n_positions=16, pad_token_id=0, bos_token_id=2, eos_token_id=3
        ),
    }  # fmt: skip


def classifier(name, seed=0):
    from transformers import AutoModelForSequenceClassification

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForSequenceClassification.from_config(configs()[name]).eval()


def causal(seed=0):
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(configs()["gpt2"]).eval()


def tokenizer(**special):
    """A tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    known.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=known, unk_token="[UNK]", **special)


def sentences(n, seed=0, length=6):
    """Tokens with padding behind; the class says whether the first token is below 8."""
    import numpy as np

    draw = np.random.default_rng(seed)
    ids = draw.integers(4, 12, size=(n, length))
    mask = np.arange(length) < draw.integers(2, length, size=n)[:, None]  # no sample fills the last position
    return {"input_ids": np.where(mask, ids, 0), "attention_mask": mask.astype(np.int64)}, (ids[:, 0] < 8).astype(int)
