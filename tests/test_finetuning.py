import copy
import math

import numpy as np
import pytest
import torch

import nngraph as nng
from nngraph import depth, finetuning
from nngraph.errors import ArgumentError, ConvergenceError

pytest.importorskip("transformers")

from text_models import classifier, sentences

X = np.random.default_rng(3).integers(5, size=(48, 3))
Y = X[:, 2] > 2


def small(rng=0, n_blocks=3):
    return nng.transformer(5, 3, width=8, depth=n_blocks, heads=2, outputs=2, rng=rng)


def bits(model):
    return {name: value.clone().numpy().tobytes() for name, value in model.state_dict().items()}


def changed(before, model):
    return {name for name, value in bits(model).items() if value != before[name]}


# ---------------------------------------------------------------------- blocks


@pytest.mark.parametrize("name", ["bert", "distilbert", "gpt2"])
def test_the_blocks_of_the_usual_encoders_and_decoders_are_found(name):
    model = classifier(name)
    assert len(depth.blocks_of(model)) == 3
    assert len(depth.blocks_of(depth.keep_blocks(model, 1))) == 1
    assert depth.keep_blocks(model, 2).config.num_hidden_layers == 2


def test_a_model_without_one_longest_list_of_blocks_is_refused():
    with pytest.raises(ArgumentError, match="found none"):
        depth.blocks_of(nng.mlp((3, 2), rng=0))
    two = torch.nn.Module()
    two.a, two.b = (torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(2)) for _ in range(2))
    with pytest.raises(ArgumentError, match=r"2 of 2 blocks \(a, b\)"):
        depth.blocks_of(two)
    two.b.append(torch.nn.Linear(2, 2))
    assert depth.blocks_of(two) is two.b


@pytest.mark.parametrize("name", ["bert", "distilbert", "gpt2"])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_shortened_model_answers_what_its_first_blocks_and_its_head_do(name, n):
    model, (x, _) = classifier(name), sentences(4)
    whole = copy.deepcopy(model)
    for block in range(n + 1, 4):
        depth.blocks_of(whole)[block - 1].register_forward_hook(lambda _, args, out: pass_by(args, out))
    with torch.no_grad():
        inputs = {key: torch.from_numpy(value) for key, value in x.items()}
        short = depth.keep_blocks(model, n)(**inputs).logits
        assert torch.equal(short, whole(**inputs).logits)
    assert len(depth.blocks_of(model)) == 3


def pass_by(args, out):
    return (args[0], *out[1:]) if isinstance(out, tuple) else args[0]


def test_more_blocks_than_there_are_cannot_be_kept():
    with pytest.raises(ArgumentError, match="n: got 4; expected an integer from 0 to 3"):
        depth.keep_blocks(small(), 4)


def test_means_of_blocks_leave_padding_out():
    model, (x, _) = classifier("bert"), sentences(3, seed=1)
    means = depth.block_means(model, x, batch_size=2)
    assert [value.shape for value in means] == [(3, 8)] * 4
    with torch.no_grad():
        for row in range(3):
            n = int(x["attention_mask"][row].sum())
            alone = model.bert(torch.from_numpy(x["input_ids"][row : row + 1, :n]), output_hidden_states=True)
            for value, hidden in zip(means, alone.hidden_states, strict=True):
                np.testing.assert_allclose(value[row], hidden[0].mean(dim=0).numpy(), atol=1e-5)


# ----------------------------------------------------------------- fine-tuning


@pytest.mark.parametrize("name", ["bert", "distilbert", "gpt2"])
def test_a_classifier_learns_and_the_same_seed_gives_the_same_bits(name):
    data = sentences(64)
    runs = [finetuning.fine_tune(classifier(name), data, epochs=4, lr=0.03, batch_size=16, rng=5) for _ in range(2)]
    assert bits(runs[0].model) == bits(runs[1].model)
    assert runs[0].loss.tolist() == runs[1].loss.tolist()
    assert runs[0].loss[-4:].mean() < 0.95 * runs[0].loss[:4].mean()
    assert runs[0].steps == len(runs[0].loss) == 16
    other = finetuning.fine_tune(classifier(name), data, epochs=1, lr=0.03, batch_size=16, rng=6)
    assert other.loss.tolist() != runs[0].loss[:4].tolist()


@pytest.mark.parametrize("name", ["bert", "distilbert", "gpt2", "ours"])
@pytest.mark.parametrize("k", [None, 0, 1, 2, 3, 4])
def test_what_lies_in_front_of_the_first_trained_block_keeps_its_bits(name, k):
    model, data = (small(), (X, Y)) if name == "ours" else (classifier(name), sentences(8))
    before, needed = bits(model), [p.requires_grad for p in model.parameters()]
    run = finetuning.fine_tune(model, data, trainable_from=k, lr=0.01, rng=0)
    moved = changed(before, model)
    inside = {n for n, module in model.named_modules() for block in depth.blocks_of(model) if module is block}
    blocks = sorted(inside)
    for number, block in enumerate(blocks, 1):
        assert bool([n for n in moved if n.startswith(f"{block}.")]) == (number >= (k or 0))
    head = {n for n in moved if n.split(".")[0] in ("classifier", "pre_classifier", "score", "unembedding")}
    assert head
    assert any("embedding" in n or "wte" in n for n in moved - head) == (not k)
    assert run.trainable == sum(p.numel() for n, p in model.named_parameters() if expected_free(n, blocks, k))
    assert [p.requires_grad for p in model.parameters()] == needed


def expected_free(name, blocks, k):
    own = [number for number, block in enumerate(blocks, 1) if name.startswith(f"{block}.")]
    if own:
        return own[0] >= (k or 0)
    first = any(word in name for word in ("embeddings", "wte", "wpe", "embedding.", "position.")) and "un" not in name
    return not (first and k)


def test_the_loss_of_the_first_step_is_the_cross_entropy_of_its_batch_and_the_rate_rises_and_falls():
    model, rates = small(), []
    with torch.no_grad():
        logits = model(torch.from_numpy(X))[:, -1].double()
        expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(Y).long())
    run = finetuning.fine_tune(model, (X, Y), batch_size=48, epochs=1, lr=1e-3, rng=0)
    assert run.loss[0] == pytest.approx(float(expected), rel=1e-5)
    before, total = torch.nn.utils.parameters_to_vector(model.parameters()).detach(), 20

    def note(step, m):
        nonlocal before
        after = torch.nn.utils.parameters_to_vector(m.parameters()).detach()
        rates.append(float((after - before).abs().max()))
        before = after
        assert m.training
        m.eval()

    finetuning.fine_tune(model, (X, Y), batch_size=48, epochs=total, lr=1e-3, weight_decay=0, rng=0, after_step=note)
    assert len(rates) == total
    assert rates[0] == pytest.approx(0.5e-3, rel=0.05)  # the first step of AdamW is as long as its rate
    assert rates[-1] < 0.2 * max(rates)


def test_a_language_model_is_trained_on_all_positions_but_those_without_a_label():
    model = nng.transformer(5, 3, width=8, depth=1, heads=2, rng=0)
    following = np.roll(X, -1, axis=1)
    following[:, -1] = -100
    with torch.no_grad():
        logits = model(torch.from_numpy(X))[:, :-1].double().flatten(0, 1)
        expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(following[:, :-1]).flatten())
    run = finetuning.fine_tune(model, (X, following), batch_size=48, rng=0)
    assert run.loss[0] == pytest.approx(float(expected), rel=1e-5)


def test_padding_behind_the_longest_sample_of_a_batch_is_cut_and_changes_no_prediction():
    (x, _), seen = sentences(9, length=6), []
    model = classifier("bert")
    model.bert.register_forward_pre_hook(lambda _, args: seen.append(tuple(args[0].shape)))
    found = finetuning.predictions(model, x, batch_size=1)
    assert [shape[1] for shape in seen] == x["attention_mask"].sum(axis=1).tolist()
    assert found.tolist() == finetuning.predictions(model, x, batch_size=9).tolist()


def test_logits_of_several_positions_are_read_at_the_last_token_of_each_sample():
    class Echo(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, input_ids, attention_mask):
            return self.scale * torch.nn.functional.one_hot(input_ids, 12)

    (x, _), lengths = sentences(9), sentences(9)[0]["attention_mask"].sum(axis=1)
    assert finetuning.predictions(Echo(), x).tolist() == x["input_ids"][np.arange(9), lengths - 1].tolist()


def test_absent_weights_stay_absent_in_fine_tuning():
    model = small()
    G = nng.ops.prune(nng.from_torch(model, layers="blocks"), fraction=0.5)
    pruned = nng.to_torch(G, model, masks=True)
    gone = pruned.blocks[0].pre.weight == 0
    assert 0.2 < float(gone.float().mean()) < 0.8
    before = pruned.blocks[0].pre.weight.detach().clone()
    finetuning.fine_tune(pruned, (X, Y), epochs=3, lr=0.01, rng=0)
    pruned(torch.from_numpy(X))
    assert torch.equal(pruned.blocks[0].pre.weight == 0, gone)
    assert not torch.equal(pruned.blocks[0].pre.weight, before)


def test_training_in_half_precision_reads_the_weights_of_the_step_before():
    runs = []
    for enabled in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            runs.append(finetuning.fine_tune(small(), (X, Y), epochs=15, lr=0.01, rng=0))
    np.testing.assert_allclose(runs[1].loss, runs[0].loss, atol=0.1)
    assert runs[1].loss[-1] < 0.5 * runs[1].loss[0]


def test_fine_tuning_leaves_the_global_generator_and_the_modes_alone():
    model = classifier("bert")
    model.bert.encoder.train()
    state, modes = torch.get_rng_state(), [module.training for module in model.modules()]
    finetuning.fine_tune(model, sentences(8), rng=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes


def test_a_loss_that_is_not_finite_stops_the_training_and_keeps_the_weights():
    model = small()
    with torch.no_grad():
        model.unembedding.weight[0, 0] = math.inf
    before = bits(model)
    with pytest.raises(ConvergenceError, match="NaN or infinite at step 1 of 2; lower"):
        finetuning.fine_tune(model, (X, Y), rng=0)
    assert not changed(before, model)
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"epochs": 0}, "epochs: got 0"),
        ({"batch_size": 2.5}, "batch_size: got 2.5"),
        ({"lr": 0}, "lr, weight_decay: got 0"),
        ({"weight_decay": -1}, "lr, weight_decay: got 5e-05 and -1"),
        ({"trainable_from": 5}, "trainable_from: got 5; expected an integer from 0 to 4"),
        ({"data": (X, Y[:5])}, r"got 48 samples with labels of shape \(5,\)"),
        ({"data": (X, Y * 0.5)}, "expected"),
        ({"data": X}, r"data: got ndarray; expected a pair \(x, y\)"),
        ({"data": (X, np.full(48, 7))}, "a class of the model for each row"),
        ({"data": (X, np.zeros((48, 2), dtype=int))}, "a class of the model for each row"),
        ({"data": ({"a": X, "b": X[:3]}, Y)}, "got {'a': 48, 'b': 3} samples"),
    ],
)
def test_what_cannot_be_fine_tuned_is_refused_in_a_sentence_and_changes_nothing(arguments, words):
    model = small()
    before = bits(model)
    with pytest.raises(ArgumentError, match=words):
        finetuning.fine_tune(model, arguments.pop("data", (X, Y)), **arguments)
    assert not changed(before, model)


class Chain(torch.nn.Module):
    """Blocks with batch normalisation; the head before or behind them."""

    def __init__(self, *, head_first=False, affine=True):
        super().__init__()
        if head_first:
            self.head = torch.nn.Linear(3, 2)
        self.stem = torch.nn.BatchNorm1d(3, affine=affine)
        self.blocks = torch.nn.ModuleList(
            torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3, affine=affine)) for _ in range(3)
        )
        if not head_first:
            self.norm, self.head = torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(self.norm(x) if hasattr(self, "norm") else x)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("k", [1, 3, 4])
def test_frozen_blocks_keep_their_running_statistics_too(k, affine):
    model = Chain(affine=affine)
    before = bits(model)
    seen = []
    finetuning.fine_tune(
        model, (X.astype("float32"), Y), trainable_from=k, rng=0, after_step=lambda step, m: seen.append(m.eval())
    )
    moved = {".".join(name.split(".")[:2]) for name in changed(before, model)}
    assert moved == {f"blocks.{i}" for i in range(k - 1, 3)} | {
        f"{part}.{name}" for part in ("norm", "head") for name in ("weight", "bias")
    } | {f"norm.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert len(seen) == 2


def test_a_head_that_would_be_frozen_is_refused_with_the_reason():
    from text_models import configs
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel(configs()["gpt2"])
    x = sentences(8)[0]
    for k in (1, 4):
        with pytest.raises(ArgumentError, match=r"the head lm_head\.weight is tied to transformer\.wte\.weight"):
            finetuning.fine_tune(model, (x, x["input_ids"]), trainable_from=k)
    for k in (2, 4):
        with pytest.raises(ArgumentError, match="a Chain registers no parameter behind its blocks"):
            finetuning.fine_tune(Chain(head_first=True), (X.astype("float32"), Y), trainable_from=k)
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    before = bits(model)
    finetuning.fine_tune(model, (x, x["input_ids"]), trainable_from=4, rng=0, lr=0.01)
    assert changed(before, model) == {"transformer.ln_f.weight", "transformer.ln_f.bias", "lm_head.weight"}


# ---------------------------------------------------------------------- tables


@pytest.mark.parametrize(
    ("test", "options", "words"),
    [
        ((X, Y[:10]), {}, r"test: got 48 samples with labels of shape \(10,\)"),
        ((X[:3], np.ones((3, 3), dtype=int)), {}, r"test: got labels of shape \(3, 3\)"),
        ((X, Y * 0.5), {}, r"test: got 48 samples with labels of shape .* and type torch.float64"),
        (None, {}, "test: got NoneType; expected a pair"),
        ((X, Y), {"trainable_from": 2}, "trainable_from: the table says what is trained"),
    ],
)
def test_tables_check_the_test_data_and_the_options_before_anything_is_trained(monkeypatch, test, options, words):
    monkeypatch.setattr(finetuning, "fine_tune", lambda *_, **__: pytest.fail("trained"))
    for make in (finetuning.freezing, finetuning.dropping):
        with pytest.raises(ArgumentError, match=words):
            make(small(), (X, Y), test, [1], seeds=1, rng=0, **options)


def test_the_table_of_freezing_has_a_row_for_each_block_and_seed_and_its_controls():
    model = small()
    before = bits(model)
    table = finetuning.freezing(model, (X[:32], Y[:32]), (X[32:], Y[32:]), [1, 3], seeds=2, rng=0, lr=0.01)
    assert list(table.columns) == finetuning.COLUMNS
    assert table[["kind", "block", "seed"]].values.tolist() == [
        ["fine-tuned", 1, 0], ["fine-tuned", 1, 1], ["fine-tuned", 3, 0], ["fine-tuned", 3, 1],
        ["logistic", 3, 0], ["majority", 0, 0],
    ]  # fmt: skip
    assert not changed(before, model)
    majority = np.mean(Y[32:] == (Y[:32].mean() > 0.5))
    assert table["accuracy"].iloc[-1] == majority
    assert (table["n_test"] == 16).all()


def test_a_row_depends_on_its_own_block_and_seed_alone():
    data = (X[:32], Y[:32]), (X[32:], Y[32:])
    options = {"seeds": 2, "rng": 9, "lr": 0.02, "controls": False}
    for make, values in ((finetuning.freezing, [1, 2, 3]), (finetuning.dropping, [3, 1, 0])):
        whole = make(small(), *data, values, **options)
        part = make(small(), *data, values[1:2], **options)
        rows = whole[whole["block"] == values[1]].reset_index(drop=True)
        assert rows.equals(part)


def test_dropping_sets_each_depth_beside_its_own_logistic_control():
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    model = small()
    table = finetuning.dropping(model, (X[:32], Y[:32]), (X[32:], Y[32:]), seeds=1, rng=0, epochs=4, lr=0.02)
    tuned = table[table["kind"] == "fine-tuned"]
    assert tuned["block"].tolist() == [3, 2, 1, 0]
    assert tuned["trainable"].is_monotonic_decreasing
    controls = table[table["kind"] == "logistic"].set_index("block")["accuracy"]
    with torch.no_grad():
        stream = model.stream(torch.from_numpy(X), depth=1).mean(dim=1).numpy()
    scaler = StandardScaler().fit(stream[:32])
    head = LogisticRegression(C=0.1, max_iter=5000).fit(scaler.transform(stream[:32]), Y[:32])
    assert controls[1] == head.score(scaler.transform(stream[32:]), Y[32:])


def test_the_interval_of_seeds_is_that_of_student_and_of_one_seed_there_is_none():
    import pandas as pd
    from scipy.stats import ttest_1samp

    values = [0.7, 0.75, 0.72, 0.8]
    rows = [("fine-tuned", 2, seed, 5, value, 100) for seed, value in enumerate(values)]
    found = finetuning.intervals(pd.DataFrame([*rows, ("majority", 0, 0, 0, 0.5, 100)], columns=finetuning.COLUMNS))
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert found[["low", "high"]].iloc[0].tolist() == pytest.approx([expected.low, expected.high])
    assert found["se_test"].iloc[1] == pytest.approx(0.05)
    assert np.isnan(found["low"].iloc[1])


def test_one_class_alone_makes_no_table():
    with pytest.raises(ArgumentError, match="one class; expected at least two"):
        finetuning.freezing(small(), (X, Y * 0), (X, Y * 0), [4], seeds=0)
