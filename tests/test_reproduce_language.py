import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("transformers")

import dataclasses
import functools
import itertools
import re
from pathlib import Path

from text_models import configs, tokenizer

from nngraph import finetuning
from nngraph.errors import FormatError, StudyError
from nngraph.reproduce.layer_groups import (
    _noise,
    characters,
    language,
    language_maps,
    language_page,
)
from nngraph.reproduce.layer_groups import language_claims as claims
from nngraph.reproduce.layer_groups import language_map_claims as map_claims
from nngraph.reproduce.layer_groups.language_claims import TUNED

SETUP = language.Setup(n_train=12, n_test=8, max_length=8, batch_size=4, mixed=False)


@pytest.fixture
def places(tmp_path):
    """Where a tiny encoder, a few rated snippets, and the results are."""
    from transformers import AutoModel

    source, root, out = (tmp_path / name for name in ("encoder", "snippets", "out"))
    root.mkdir()
    out.mkdir()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        AutoModel.from_config(configs()["bert"]).save_pretrained(source)
    tokenizer(pad_token="[PAD]").save_pretrained(source)
    draw = np.random.default_rng(0)
    lines = [
        f"{i}\t{1.5 if i % 2 else -0.5}\t{'good' if i % 2 else 'bad'} {' '.join(draw.choice(['film', 'plot', 'a'], 3))}"
        for i in range(36)
    ]
    for kind in ("movie", "amazon"):
        (root / f"{kind}ReviewSnippets_GroundTruth.txt").write_text("\n".join(lines), encoding="utf-8")
    return {"source": str(source), "root": root}, out


# ------------------------------------------------------------------- encoders


def test_encoders_are_trained_once_and_sparse_ones_miss_their_share_of_weights(places, monkeypatch):
    files, out = places
    first = language.encoders(out, SETUP, **files)
    assert list(first) == ["untrained", "pretrained", "fine-tuned", "sparse 25", "sparse 70", "sparse 95"]
    rows = pd.read_csv(out / "encoders.csv")
    assert rows["encoder"].tolist() == list(first)[2:]
    np.testing.assert_allclose(rows["absent"], [0, 0.25, 0.7, 0.95], atol=0.01)
    monkeypatch.setattr(language, "fine_tune", None)  # would fail if it were called
    again = language.encoders(out, SETUP, **files)
    for name, model in first.items():
        state = again[name].state_dict()
        assert state.keys() == model.state_dict().keys()
        assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items()), name
    kept = pd.read_csv(out / "encoders.csv")
    kept[kept["encoder"] != "sparse 70"].to_csv(out / "encoders.csv", index=False)  # stopped in between
    with pytest.raises(TypeError):  # is trained anew
        language.encoders(out, SETUP, **files)
    kept.to_csv(out / "encoders.csv", index=False)
    path = out / "sparse-70-0.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(FormatError, match=r"sparse-70-0.safetensors: no whole weights .* delete it"):
        language.encoders(out, SETUP, **files)
    weights = [model.body.encoder.layer[0].intermediate.dense.weight for model in first.values()]
    assert all(not torch.equal(a, b) for a, b in itertools.pairwise(weights))


def test_tables_have_a_row_for_each_block_and_go_on_where_they_stopped(places, monkeypatch):
    files, out = places
    language.tables(out, SETUP, **files)
    freeze, drop = (pd.read_csv(out / f"{name}-0.csv") for name in ("freezing", "dropping"))
    assert freeze["block"].tolist() == [1, 2, 3, 3, 0]
    assert freeze["kind"].tolist() == ["fine-tuned"] * 3 + ["logistic", "majority"]
    assert drop["block"].tolist() == [3, 1, 0, 3, 2, 1, 0, 0]
    assert freeze["trainable"].iloc[:3].is_monotonic_decreasing
    drop[drop["block"] != 1].to_csv(out / "dropping-0.csv", index=False)
    made = []
    monkeypatch.setattr(
        language, "dropping", lambda *given, **options: made.append(given[3]) or drop[drop["block"] == 1]
    )
    monkeypatch.setattr(language, "freezing", None)
    language.tables(out, SETUP, **files)
    assert made == [[1]]


def test_the_head_reads_the_mean_over_tokens_without_padding(places):
    files, _ = places
    model = language.classifier(files["source"], 0)
    with torch.no_grad():
        alone = model(torch.tensor([[4, 6]]), torch.ones(1, 2, dtype=torch.long))
        padded = model(torch.tensor([[4, 6, 0]]), torch.tensor([[1, 1, 0]]))
        stream = model.body(input_ids=torch.tensor([[4, 6]])).last_hidden_state
    torch.testing.assert_close(alone, padded)
    torch.testing.assert_close(alone, model.head(stream.mean(dim=1)))


# ----------------------------------------------------------------- characters


def test_the_stored_network_tells_bytes_better_than_counts_of_pairs():
    texts = characters.corpus()
    samples = characters.windows(texts.test, 60, rng=0)
    told = characters.bits_per_byte(characters.load(), samples)
    counts = characters.baselines(texts.train, samples)
    assert told < counts["bigram"] < counts["unigram"] < characters.bits_per_byte(characters.network(), samples)


def test_bits_per_byte_are_the_cross_entropy_of_a_loop():
    model = characters.network()
    samples = characters.windows(characters.corpus().other, 3, rng=1)
    with torch.no_grad():
        logs = torch.log_softmax(model(torch.from_numpy(samples[:, :-1])).double(), dim=-1).numpy()
    bits = [-logs[i, t, samples[i, t + 1]] / np.log(2) for i in range(3) for t in range(64)]
    assert characters.bits_per_byte(model, samples) == pytest.approx(np.mean(bits))


def test_counts_predict_a_text_of_two_letters():
    text = np.frombuffer(b"ab" * 5000, dtype=np.uint8)
    bits = characters.baselines(text, characters.windows(text, 4, rng=0))
    assert bits["unigram"] == pytest.approx(1, abs=0.05)
    assert bits["bigram"] == pytest.approx(np.log2((5000 + 256) / 5001), abs=1e-3)


def test_training_writes_weights_that_load_to_the_same_network(tmp_path):
    run = characters.train(tmp_path / "tiny.safetensors", steps=2, rng=0)
    loaded = characters.load(tmp_path / "tiny.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(run.model.parameters(), loaded.parameters(), strict=True))
    assert run.steps == 2
    assert (tmp_path / "tiny.safetensors").stat().st_size < 700_000
    assert characters.CHECKPOINT.stat().st_size < 700_000


# ----------------------------------------------------------------------- page


def results(
    grown=(1, 1, 1, 1, 3, 3), full=0.9, late=0.89, kept=0.89, sparse_95=0.85, logistic=0.6, n=4000, gw_p=0.001, seeds=2
):
    """Tables of a made-up run, in which every claim holds by default."""
    taps = [str(tap) for tap in range(7)]

    def squares(steps, *head):
        place = np.cumsum([0, *steps])
        return [(*head, a, b, abs(place[i] - place[j])) for i, a in enumerate(taps) for j, b in enumerate(taps)]

    flat, maps, changes = [1, 1.1, 1, 0.9, 1, 1], [], []
    for name in ("untrained", "pretrained", *TUNED):
        steps = grown if name == "fine-tuned" else flat
        maps += squares(steps, name, "gw") + squares(steps, name, "cka")
        changes += [(name, tap, (np.nan, *steps)[int(tap)] / 10 - 0.05, 0.2, 0.0) for tap in taps]
    tables = [pd.DataFrame(maps, columns=["encoder", "measure", "tap", "other", "distance"])]
    tables.append(pd.DataFrame(changes, columns=["encoder", "tap", "divergence", "overlap", "moved"]))
    own = [("fine-tuned", "pretrained", a, b, abs(min(int(a), 4) - int(b))) for a in taps for b in taps]
    cross = pd.DataFrame(own, columns=["first", "second", "tap", "other", "distance"])
    movies = cross.assign(second="movies")

    def rows(accuracies, heads):
        tuned = [("fine-tuned", block, s, 5, a + 0.002 * s, n) for block, a in accuracies.items() for s in range(seeds)]
        controls = [("logistic", block, 0, 2, logistic, n) for block in heads] + [("majority", 0, 0, 0, 0.5, n)]
        return pd.DataFrame(tuned + controls, columns=finetuning.COLUMNS)

    shares = dict(zip(TUNED, (full, full, full - 0.01, sparse_95), strict=True))
    encoders = [(name, s, a, n, 0.0) for name, a in {**shares, "amazon": full}.items() for s in range(seeds)]
    right = pd.DataFrame({name: (np.arange(n) < a * n).astype(int) for name, a in shares.items()})
    near = [
        (name, tap, 0.6 - 0.08 * int(tap), 0.01, True, 0.5, 0.6, 0.5, 0.1)
        for name in ("pretrained", "fine-tuned") for tap in taps[1:]
    ]  # fmt: skip
    way = [(step, taps[i], taps[i + 1], 1 + step * (i + 1) / 50) for step in (0, 4, 8, 12, 16) for i in range(6)]
    scores = [(0, 0.1, 0.7, 0.5), (4, 0.3, 0.5, 0.7), (8, 0.2, 0.6, 0.6), (12, 0.4, 0.3, 0.9), (16, 0.35, 0.4, 0.8)]
    return language_page.Results(
        pd.DataFrame(encoders, columns=["encoder", "seed", "accuracy", "n_test", "absent"]),
        rows(dict(zip(range(1, 7), [full] * 4 + [late, 0.7], strict=True)), [6]),
        rows(dict(zip((6, 4, 3, 2, 1, 0), (full, kept, 0.8, 0.79, 0.7, 0.6), strict=True)), [6, 4, 0]),
        {**{str(s): tables[0] for s in range(seeds)}, "amazon": tables[0]},
        {**{str(s): tables[1] for s in range(seeds)}, "amazon": tables[1]},
        {"0": cross, "amazon": movies},
        {str(s): right for s in range(seeds)},
        pd.DataFrame(near, columns=NEAR),
        pd.DataFrame(scores, columns=["step", "mean_distance", "loss", "accuracy"]),
        pd.DataFrame(way, columns=["step", "previous", "tap", "distance"]),
        pd.DataFrame(
            [("depth", 0.5, 0.1, 8, 0.01), ("gw", 0.8, 0.1, 8, gw_p), ("cka", 0.7, 0.1, 8, 0.001)],
            columns=["measure", "mean", "se", "rows", "p"],
        ),
        pd.DataFrame(
            [("manual", 2.5, 9.0, 4.7, 3.6)], columns=["text", "transformer", "untrained", "unigram", "bigram"]
        ),
    )


def verdict(judge, **given):
    return judge(results(**given)).verdict


NEAR = ["encoder", "tap", "overlap", "sd", "permutation", "stays", "same", "chance", "spread"]
ALL = [*map_claims.JUDGES, claims.freeze, claims.drop, claims.sparse, claims.interventions]


@pytest.mark.parametrize("judge", [j for j in ALL if j not in (map_claims.grouped, map_claims.seeds)])
def test_a_claim_holds_in_a_run_that_was_made_to_show_it(judge):
    assert verdict(judge) == "holds"


@pytest.mark.parametrize(
    "judge",
    [claims.freeze, claims.drop, claims.sparse, map_claims.late, map_claims.histograms, map_claims.overlap,
     map_claims.grouped, map_claims.crossed, map_claims.products],
)  # fmt: skip
def test_nothing_is_said_of_encoders_that_learned_nothing(judge):
    assert verdict(judge, full=0.5, late=0.5, kept=0.5, sparse_95=0.5, logistic=0.5) == "undecided"


@pytest.mark.parametrize("judge", [claims.freeze, claims.drop, claims.sparse])
def test_nothing_is_said_with_few_texts_with_one_seed_or_below_a_logistic_head(judge):
    assert verdict(judge, late=0.7, kept=0.7, sparse_95=0.7, n=10) == "undecided"
    assert verdict(judge, seeds=1) == "undecided"
    assert verdict(judge, logistic=0.899) == "undecided"


def test_losses_beyond_the_margin_do_not_hold_and_gains_do():
    assert verdict(claims.freeze, late=0.8) == "does not hold"
    assert verdict(claims.freeze, late=0.98) == "holds"
    assert verdict(claims.freeze, late=0.845) == "undecided"  # a loss of .055 with a noise of .01
    assert verdict(claims.drop, kept=0.8) == "does not hold"
    assert verdict(claims.drop, kept=0.98) == "holds"
    assert verdict(claims.sparse, sparse_95=0.7) == "does not hold"


def test_a_pass_that_training_no_block_has_too_is_undecided():
    found = claims.freeze(results(full=0.9, late=0.87, logistic=0.872))
    assert found.said == "undecided: a head on frozen blocks, which trains no block, passes too"
    assert "a logistic head does better" in claims.drop(results(logistic=0.7)).why


def test_the_noise_of_a_difference_is_that_of_texts_and_of_seeds():
    rows = pd.DataFrame({"block": [1, 1, 2, 2], "accuracy": [0.8, 0.9, 0.7, 0.7], "n_test": 100})
    expected = np.sqrt((0.85 * 0.15 + 0.7 * 0.3) / 100 + 2 * (0.005 / 2) / 2)
    assert _noise.noise_of_difference(rows, "block", 1, 2) == pytest.approx(expected)
    assert _noise.noise_of_difference(rows, "block", 1, 0.5) == pytest.approx(
        np.sqrt((0.85 * 0.15 + 0.25) / 100 + 0.0025 / 2)
    )
    assert np.isnan(_noise.noise_of_difference(rows.iloc[::2], "block", 1, 2))
    draw = np.random.default_rng(0)
    shared = (draw.random(500) < 0.8)[:, None]
    one, other = (shared & (draw.random((500, 2)) < 0.95) for _ in range(2))
    paired = _noise.paired_noise(one, other)
    d = one.astype(float) - other
    assert paired == pytest.approx(np.sqrt(d.mean(1).var(ddof=1) / 500 + d.mean(0).var(ddof=1) / 2))
    assert _noise.paired_noise(one, one) == 0


@pytest.mark.parametrize(
    ("loss", "noise", "expected"),
    [(0.01, 0.01, "holds"), (-0.2, 0.1, "holds"), (0.2, 0.01, "does not hold"), (0.06, 0.01, "undecided"),
     (0.01, 0.03, "undecided"), (0.2, np.nan, "undecided")],
)  # fmt: skip
def test_a_loss_is_judged_against_a_margin_with_twice_its_noise(loss, noise, expected):
    assert _noise.no_worse(loss, noise, 0.05) == expected


def test_verdicts_on_maps_follow_the_numbers():
    early = (3, 3, 1, 1, 1, 1)
    for judge in (map_claims.late, map_claims.histograms, map_claims.products):
        assert verdict(judge, grown=early) == "does not hold"
    assert verdict(map_claims.grouped, grown=(1, 0.1, 0.1, 0.1, 9, 0.1)) == "holds"
    assert verdict(map_claims.grouped, grown=(9, 1, 1, 1, 1, 1)) != "holds"
    assert verdict(map_claims.seeds, seeds=1) == "undecided"
    found = results()
    assert map_claims.departs(dataclasses.replace(found, steps=found.steps[found.steps["step"] == 0])).why == (
        "no step departs"
    )
    swapped = found.steps.assign(tap=(7 - found.steps["tap"].astype(int)).astype(str))
    assert map_claims.departs(dataclasses.replace(found, steps=swapped)).verdict.startswith("does not hold")
    fallen = found.scores.assign(loss=-found.scores["loss"])
    assert map_claims.dynamics(dataclasses.replace(found, scores=fallen)).verdict.startswith("does not hold")
    wide = dataclasses.replace(found, near=found.near.assign(sd=0.3))
    assert map_claims.planes(wide).verdict.startswith("undecided")
    jump = found.maps["0"].copy()
    jump.loc[(jump["measure"] == "cka") & (jump["tap"] == "5") & (jump["other"] == "6"), "distance"] = 9
    assert map_claims.flat(dataclasses.replace(found, maps={"0": jump})).verdict.startswith("holds in part")


def test_agreement_with_skipped_blocks_is_judged_by_permuted_blocks():
    assert verdict(claims.interventions, gw_p=0.3) == "does not hold"
    table = results().agreements.assign(p=0.2)
    found = claims.interventions(dataclasses.replace(results(), agreements=table))
    assert found.said == "undecided: no measure ranks it better than permuted blocks do"


def test_the_page_has_every_number_and_keeps_what_is_around_the_markers(tmp_path):
    text = language_page.page(results(), setup="Sizes.")
    lines = text.splitlines()
    assert "| fine-tuned | 6 | 5 | 0.701 | 0.001 | 0.007 | 2 |" in lines
    assert "| gw | fine-tuned | 1 | 1 | 1 | 1 | 3 | 3 |" in lines
    assert "| cka | 0.70 | 0.10 | 8 | 0.001 |" in lines
    assert "| 12 | 0.300 | 0.900 | 0.4000 | 1.2400 | 1.4800 | 1.7200 | 1.9600 | 2.2000 | 2.4400 |" in lines
    assert "| manual | 2.50 | 9.00 | 4.70 | 3.60 |" in lines
    path = tmp_path / "page.md"
    path.write_text("# Title\n<!-- language: begin -->\nyesterday\n<!-- language: end -->\nrest\n", encoding="utf-8")
    language_page.write_page(path, text)
    once = path.read_text(encoding="utf-8")
    language_page.write_page(path, text)
    assert path.read_text(encoding="utf-8") == once
    assert once.startswith("# Title\n")
    assert once.endswith("end -->\nrest\n")
    assert "yesterday" not in once
    path.write_text("# Title\n", encoding="utf-8")
    with pytest.raises(FormatError, match="has no lines '<!-- language: begin -->'"):
        language_page.write_page(path, text)


def test_maps_and_changes_are_those_of_the_means_over_tokens(places):
    from nngraph.similarity import compare, representations

    files, _ = places
    encoders = {name: language.classifier(files["source"], 0).body for name in ("pretrained", "other")}
    with torch.no_grad():
        encoders["other"].encoder.layer[1].output.dense.weight.mul_(-300)
    _, (inputs, _) = SETUP.data(language.encoder(files["source"]), files["root"])
    table, changes = language_maps.maps(language_maps.representations_of(encoders, inputs, n=8), ["procrustes"])
    D = language_maps.map_of(table, "other", "procrustes")
    reps = representations(encoders["other"], inputs, "blocks", n=8, tokens="mean")
    assert list(D.index) == ["0", "1", "2", "3"]
    assert D.loc["1", "3"] == pytest.approx(compare(reps["1"], reps["3"], "procrustes"))
    moved = changes[changes["encoder"] == "other"].set_index("tap")["moved"]
    np.testing.assert_allclose(moved[["0", "1"]], 0, atol=1e-6)
    assert (moved[["2", "3"]] > 1e-3).all()
    assert changes.loc[changes["tap"] == "0", ["divergence", "overlap"]].isna().all(axis=None)
    near = {
        tap: [
            set(np.argsort([np.inf if i == j else np.linalg.norm(x[i] - x[j]) for j in range(8)])[:5]) for i in range(8)
        ]
        for tap, x in reps.items()
    }
    expected = np.mean([len(a & b) / len(a | b) for a, b in zip(near["0"], near["3"], strict=True)])
    last = changes[(changes["encoder"] == "other") & (changes["tap"] == "3")]
    assert last["overlap"].item() == pytest.approx(expected)


def test_measures_are_ranked_beside_the_distance_in_depth():
    from nngraph.interventions import intervention_agreement, interventions

    model = characters.load()
    samples = characters.windows(characters.corpus().test, 12, rng=0)[:, :-1]
    table = language_maps.agreements(model, samples, ["euclidean"], n=10, draws=19).set_index("measure")
    assert list(table.index) == ["depth", "euclidean"]
    kl = interventions(model, samples).kl
    apart = pd.DataFrame(abs(np.subtract.outer(range(8), range(8))), kl.index, kl.columns)
    assert table.loc["depth", "mean"] == pytest.approx(intervention_agreement(kl, apart).mean)
    draw = np.random.default_rng(0)
    orders = np.array([draw.permutation(8) for _ in range(3)])
    values = draw.random((8, 8))
    expected = [
        intervention_agreement(kl, pd.DataFrame(values[np.ix_(order, order)], kl.index, kl.columns)).mean
        for order in orders
    ]
    np.testing.assert_allclose(language_maps._permuted(kl.to_numpy(), values, orders), expected)


def test_steps_are_the_distances_of_neighbouring_taps_in_their_order():
    table = results(grown=(1, 2, 3, 4, 5, 6)).maps["0"].sample(frac=1, random_state=0).sort_values("tap")
    D = language_maps.map_of(table, "fine-tuned", "gw")
    assert list(D.index) == list("0123456")
    assert language_maps.steps_of(D).tolist() == [1, 2, 3, 4, 5, 6]


def test_the_whole_part_runs_from_the_command_line_and_does_nothing_twice(places, tmp_path, monkeypatch):
    from nngraph import similarity
    from nngraph.reproduce.layer_groups.__main__ import main

    files, out = places
    path = tmp_path / "page.md"
    path.write_text("<!-- language: begin -->\n<!-- language: end -->\n", encoding="utf-8")
    monkeypatch.setattr(similarity, "MEASURES", {"gw": None, "cka": None})
    monkeypatch.setattr(language, "Setup", lambda: SETUP)
    monkeypatch.setattr(language_maps, "FEW", 8)
    monkeypatch.setattr(language_maps, "agreements", functools.partial(language_maps.agreements, draws=19))
    monkeypatch.setattr(language_maps, "near", functools.partial(language_maps.near, planes=2))
    given = [
        "language",
        "--out",
        str(out),
        "--root",
        str(files["root"]),
        "--source",
        files["source"],
        "--page",
        str(path),
    ]
    main([*given, "--samples", "8"])
    first, tables = path.read_text(encoding="utf-8"), {p.name: p.read_bytes() for p in out.glob("*.csv")}
    assert set(tables) == {f"{name}.csv" for name in (
        "encoders", "freezing-0", "dropping-0", "maps-0", "changes-0", "crosses-0", "near-0", "right-0", "maps-amazon",
        "changes-amazon", "crosses-amazon", "dynamics_scores", "dynamics_steps", "agreements",
        "compression")}  # fmt: skip
    assert first.count("on the stand-in") == len(ALL)
    right = pd.read_csv(out / "right-0.csv").mean()
    rows = pd.read_csv(out / "encoders.csv").set_index("encoder")["accuracy"]
    np.testing.assert_allclose(right, rows[right.index])
    (out / "compression.csv").unlink()
    for name in ("fine_tune", "freezing", "dropping"):
        monkeypatch.setattr(language, name, None)  # would fail if they were called
    main([*given, "--samples", "8"])
    assert path.read_text(encoding="utf-8") == first
    assert {p.name: p.read_bytes() for p in out.glob("*.csv")} == tables
    with pytest.raises(StudyError, match=r"other settings \(settings.json has another n\)"):
        main([*given, "--samples", "7"])
    monkeypatch.setattr(language, "Setup", lambda: dataclasses.replace(SETUP, n_train=10))
    with pytest.raises(StudyError, match="another n_train"):
        main([*given, "--samples", "8"])
    assert path.read_text(encoding="utf-8") == first


def test_the_page_of_the_documentation_has_the_claims_of_the_code_and_rows_that_agree_with_its_tables():
    page = (Path(__file__).parents[1] / "docs" / "layer_groups_language.md").read_text(encoding="utf-8")
    lines = page.splitlines()
    judged = language_page.verdicts(results())
    start = lines.index("| claim | paper | here | verdict |") + 2
    shown = [line.strip("| ").split(" | ") for line in lines[start : start + len(judged)]]
    assert [(row[0], row[1]) for row in shown] == [(one.claim, one.paper) for one in judged]
    here = {row[0]: row for row in shown}

    def table(title):
        rows = itertools.takewhile(bool, lines[lines.index(f"### {title}") + 4 :])
        cells = [row.strip("| ").split(" | ") for row in rows]
        return {tuple(row[:2]): row for row in cells}

    freezing, dropping = table("Training from block k on"), table("Keeping the first N blocks")
    freeze = next(row for claim, row in here.items() if "(Table 6)" in claim)
    for block in (1, 5, 6):
        assert f"from {block}: {freezing['fine-tuned', str(block)][3]}" in freeze[2]
    drop = next(row for claim, row in here.items() if "(Table 7)" in claim)
    for (kind, block), row in dropping.items():
        told = {"fine-tuned": f"{block} blocks {row[3]}", "logistic": f"{block} {row[3]}", "majority": ""}
        assert told[kind] in drop[2]
    best = max(float(row[3]) for (kind, _), row in {**freezing, **dropping}.items() if kind == "logistic")
    for row, full in ((freeze, freezing["fine-tuned", "1"]), (drop, dropping["fine-tuned", "6"])):
        beaten = float(full[3]) - best > 2 * float(full[5])  # that of the test set alone is less than the noise
        assert beaten or row[3].startswith("undecided")
    steps = table("Steps from block to block")
    ratio = {
        name: [float(cell) for cell in row[2:]] for (name, encoder), row in steps.items() if encoder == "pretrained"
    }
    flat = next(row for claim, row in here.items() if "no step" in claim)
    for name, values in ratio.items():
        told = float(re.search(rf"\b{name} ([\d.]+)", flat[2]).group(1))
        assert told == pytest.approx(max(values) / np.median(values), abs=0.02)
    assert flat[3].startswith("holds on") == all(max(values) < 2 * np.median(values) for values in ratio.values())
