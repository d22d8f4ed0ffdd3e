import copy
import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import nngraph as nng
from nngraph.depth import skipping
from nngraph.errors import ArgumentError
from nngraph.interventions import intervention_agreement, interventions

TOKENS = np.random.default_rng(0).integers(7, size=(9, 5))


def model_of(n_blocks=4, norm=True):
    return nng.transformer(7, 5, width=8, depth=n_blocks, heads=2, norm=norm, rng=1)


def without(model, block):
    """The same model with the list of its blocks written anew, one block left out."""
    short = nng.transformer(7, 5, width=8, depth=len(model.blocks) - 1, heads=2, norm=True, rng=2)
    short.load_state_dict(model.state_dict(), strict=False)
    kept = [b for number, b in enumerate(model.blocks, 1) if number != block]
    short.blocks = torch.nn.ModuleList(kept)
    return short


def probabilities(model, position=-1):
    with torch.no_grad():
        return torch.softmax(model(torch.from_numpy(TOKENS))[:, position].double(), dim=-1).numpy()


def test_skipping_a_block_is_the_model_without_it():
    model = model_of()
    tokens = torch.from_numpy(TOKENS)
    for block in range(1, 5):
        with skipping(model, block), torch.no_grad():
            assert torch.equal(model(tokens), without(model, block)(tokens))


def test_the_model_is_itself_again_afterwards_also_after_an_error():
    model, tokens = model_of(), torch.from_numpy(TOKENS)
    with torch.no_grad():
        before = model(tokens)
        with pytest.raises(RuntimeError, match="on purpose"), skipping(model, 2):
            raise RuntimeError("on purpose")
        interventions(model.train(), TOKENS)
        assert model.training
        assert torch.equal(model.eval()(tokens), before)
    assert not any(block._forward_hooks for block in model.blocks)


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_kl_is_that_of_the_distributions_written_out(batch_size):
    from scipy.stats import entropy

    model = model_of()
    found = interventions(model, TOKENS, batch_size=batch_size)
    told = [probabilities(model), *(probabilities(without(model, block)) for block in range(1, 5))]
    for i, j in itertools.product(range(1, 5), repeat=2):
        expected = entropy(told[i], told[j], axis=1).mean()
        assert found.kl.loc[str(i), str(j)] == pytest.approx(expected, rel=1e-6, abs=1e-12)
    for j in range(1, 5):
        assert found.intact[str(j)] == pytest.approx(entropy(told[0], told[j], axis=1).mean(), rel=1e-6)
    assert found.n == 9
    assert found.loss is None


def test_all_positions_count_and_the_loss_is_that_of_the_tokens_that_follow():
    from scipy.stats import entropy

    model = model_of()
    found = interventions(model, TOKENS, [3, 1], positions="all", batch_size=2)
    assert list(found.kl.index) == list(found.kl.columns) == ["3", "1"]
    assert found.n == 45
    three, one = without(model, 3), without(model, 1)
    expected = np.mean([entropy(probabilities(three, t), probabilities(one, t), axis=1) for t in range(5)])
    assert found.kl.loc["3", "1"] == pytest.approx(expected, rel=1e-6)
    losses = [
        np.mean([-np.log(probabilities(m, t)[np.arange(9), TOKENS[:, t + 1]]) for t in range(4)])
        for m in (model, three, one)
    ]
    np.testing.assert_allclose(found.loss, losses, rtol=1e-6)
    assert list(found.loss.index) == ["0", "3", "1"]


def test_a_block_that_adds_nothing_changes_nothing_when_it_is_skipped():
    model = model_of()
    with torch.no_grad():
        for layer in (model.blocks[1].attention.out, model.blocks[1].mlp_out):
            layer.weight.zero_()
            layer.bias.zero_()
    found = interventions(model, TOKENS)
    assert found.intact["2"] == 0
    assert (found.intact.drop("2") > 0).all()
    np.testing.assert_allclose(found.kl.loc["2"].drop("2"), found.intact.drop("2"))


def test_a_decoder_of_hugging_face_is_asked_at_the_last_token_of_each_sample_whatever_the_padding():
    pytest.importorskip("transformers")
    from text_models import causal, sentences

    model, (x, _) = causal(), sentences(6)
    found = interventions(model, x)
    alone = [
        interventions(model, x["input_ids"][row : row + 1, : int(x["attention_mask"][row].sum())]).kl
        for row in range(6)
    ]
    np.testing.assert_allclose(found.kl, sum(alone) / 6, rtol=1e-4, atol=1e-9)
    every = interventions(model, x, positions="all")
    assert every.n == x["attention_mask"].sum()
    parts = [
        interventions(model, x["input_ids"][row : row + 1, : int(x["attention_mask"][row].sum())], positions="all")
        for row in range(6)
    ]
    weights = x["attention_mask"].sum(axis=1) - 1
    np.testing.assert_allclose(every.loss, np.average([p.loss for p in parts], axis=0, weights=weights), rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"blocks": [0]}, "blocks: got 0; expected an integer from 1 to 4"),
        ({"blocks": [5]}, "blocks: got 5"),
        ({"positions": "first"}, "positions: got 'first'"),
        ({"batch_size": 0}, "batch_size: got 0"),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(arguments, words):
    with pytest.raises(ArgumentError, match=words):
        interventions(model_of(), TOKENS, **arguments)


def test_a_block_that_changes_the_shape_cannot_be_skipped():
    class Narrowing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = torch.nn.ModuleList([torch.nn.Linear(4, 4), torch.nn.Linear(4, 3)])

        def forward(self, x):
            return self.blocks[1](self.blocks[0](x))

    model = Narrowing()
    with pytest.raises(ArgumentError, match=r"block 2: its input has the shape \(1, 4\) and its output \(1, 3\)"):
        interventions(model, np.ones((1, 4), dtype=np.float32))
    assert model(torch.ones(1, 4)).shape == (1, 3)


# ------------------------------------------------------------------- agreement


def matrices(n):
    entries = st.lists(st.integers(0, 4), min_size=n * n, max_size=n * n)
    return entries.map(lambda values: pd.DataFrame(np.array(values, dtype=float).reshape(n, n), NAMES[:n], NAMES[:n]))


NAMES = list("abcde")


@given(st.integers(3, 5).flatmap(lambda n: st.tuples(matrices(n), matrices(n))))
def test_agreement_is_spearmans_correlation_of_rows_without_the_diagonal(pair):
    from scipy.stats import spearmanr

    kl, D = pair
    found = intervention_agreement(kl, D.loc[::-1, ::-1], taps=list(kl.index))
    for number, name in enumerate(kl.index):
        a, b = (np.delete(M.loc[name].to_numpy(), number) for M in (kl, D))
        if np.ptp(a) == 0 or np.ptp(b) == 0:
            assert np.isnan(found.rows[name])
        else:
            assert found.rows[name] == pytest.approx(spearmanr(a, b).statistic)
    known = found.rows.dropna()
    if len(known) > 1:
        assert found.mean == pytest.approx(known.mean())
        assert found.se == pytest.approx(known.sem())


def test_taps_are_found_by_name_in_whatever_order_the_distances_have():
    kl = pd.DataFrame([[0, 1, 2], [1, 0, 3], [2, 3, 0.0]], list("123"), list("123"))
    D = pd.DataFrame([[0, 9, 9, 9], [9, 0, 3, 2], [9, 3, 0, 1], [9, 2, 1, 0.0]], list("0321"), list("0321"))
    assert intervention_agreement(kl, D).mean == pytest.approx(1)
    with pytest.raises(ArgumentError, match=r"\['3'\] are missing from the distances"):
        intervention_agreement(kl, D.drop(index="3"))
    with pytest.raises(ArgumentError, match="got 2 for 3 blocks"):
        intervention_agreement(kl, D, taps=["1", "2"])
    with pytest.raises(ArgumentError, match="got 2 blocks; expected at least 3"):
        intervention_agreement(kl.iloc[:2, :2], D)


class Masked(torch.nn.Module):
    """Gives token 0 a fixed logit: always, or only where the first block is skipped."""

    def __init__(self, inner, value, *, always):
        super().__init__()
        self.inner, self.value, self.always = inner, value, always
        self.first = (copy.deepcopy(inner),)  # no module of this one

    def forward(self, x):
        out = self.inner(x).clone()
        if self.always or not torch.equal(self.inner.stream(x, depth=1), self.first[0].stream(x, depth=1)):
            out[..., 0] = self.value
        return out


def test_tokens_that_are_excluded_everywhere_count_as_if_they_were_not_there():
    inner = model_of()
    found = interventions(Masked(inner, -torch.inf, always=True), TOKENS)
    names = [1, 2, 3, 4]
    logs = []
    for block in names:
        with torch.no_grad(), skipping(inner, block):
            logs.append(torch.log_softmax(inner(torch.from_numpy(TOKENS))[:, -1, 1:].double(), dim=-1))
    expected = [[float((p.exp() * (p - q)).sum(-1).mean()) for q in logs] for p in logs]
    np.testing.assert_allclose(found.kl, expected, atol=1e-12)
    assert np.isfinite(found.intact).all()


def test_a_token_that_one_answer_alone_excludes_makes_the_divergence_to_it_infinite():
    found = interventions(Masked(model_of(), -torch.inf, always=False), TOKENS)
    kl = found.kl.to_numpy()
    assert np.isinf(kl[1:, 0]).all()
    assert np.isfinite(kl[0]).all()
    assert np.isfinite(kl[1:, 1:]).all()
    assert list(np.isinf(found.intact)) == [True, False, False, False]


def test_logits_that_are_nan_are_refused_with_the_block_that_was_skipped():
    with pytest.raises(ArgumentError, match="the logits of the model as it is are NaN"):
        interventions(Masked(model_of(), torch.nan, always=True), TOKENS)
    with pytest.raises(ArgumentError, match="the logits of it without block 1 are NaN"):
        interventions(Masked(model_of(), torch.nan, always=False), TOKENS)


def test_divergences_that_are_nan_are_refused_and_not_dropped():
    names = list("1234")
    D = pd.DataFrame(np.abs(np.subtract.outer(range(4), range(4))) * 1.0, names, names)
    kl = D.copy()
    kl.iloc[0, 1] = np.nan
    with pytest.raises(ArgumentError, match="kl: has NaN"):
        intervention_agreement(kl, D)
