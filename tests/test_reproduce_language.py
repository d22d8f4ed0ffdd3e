import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("transformers")

import itertools

from text_models import configs, tokenizer

from nngraph import finetuning
from nngraph.errors import FormatError
from nngraph.reproduce.layer_groups import characters, language, language_maps, language_page

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
    (root / "movieReviewSnippets_GroundTruth.txt").write_text("\n".join(lines), encoding="utf-8")
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


def results(step_fine_tuned=(1, 1, 1, 1, 3, 3), gw=0.8, last_two=0.8, sparse_95=0.75, noise=0.1):
    """Tables of a made-up run, in which every claim holds by default."""
    taps = [str(tap) for tap in range(7)]
    maps, changes = [], []
    for name in ("untrained", "pretrained", *language_page.TUNED):
        steps = step_fine_tuned if name == "fine-tuned" else [1, 1.1, 1, 0.9, 1, 1]
        place = np.cumsum([0, *steps])
        maps += [(name, "gw", a, b, abs(place[i] - place[j])) for i, a in enumerate(taps) for j, b in enumerate(taps)]
        changes += [(name, tap, (np.nan, *steps)[int(tap)] / 10 - 0.05, 0.2, 0.0) for tap in taps]
    rows = [
        ("fine-tuned", block, 0, 5, accuracy, 400)
        for block, accuracy in zip(range(1, 7), [0.8] * 4 + [last_two, 0.7], strict=True)
    ]
    kept = [
        ("fine-tuned", n, 0, 5, accuracy, 400)
        for n, accuracy in zip((6, 4, 3, 2, 1, 0), (0.8, 0.8, 0.8, 0.79, 0.7, 0.55), strict=True)
    ]
    rows.append(("logistic", 6, 0, 2, 0.7, 400))
    kept += [("logistic", n, 0, 2, 0.65, 400) for n in (6, 4, 0)]
    encoders = [
        (name, 0, value, 400, 0.0) for name, value in zip(language_page.TUNED, (0.8, 0.8, 0.79, sparse_95), strict=True)
    ]
    return language_page.Results(
        pd.DataFrame(encoders, columns=["encoder", "seed", "accuracy", "n_test", "absent"]),
        pd.DataFrame(rows, columns=finetuning.COLUMNS),
        pd.DataFrame(kept, columns=finetuning.COLUMNS),
        pd.DataFrame(maps, columns=["encoder", "measure", "tap", "other", "distance"]),
        pd.DataFrame(changes, columns=["encoder", "tap", "divergence", "overlap", "moved"]),
        pd.DataFrame(
            [("depth", 0.5, noise, 8), ("gw", gw, noise, 8), ("cka", 0.7, noise, 8)],
            columns=["measure", "mean", "se", "rows"],
        ),
        pd.DataFrame(
            [("manual", 2.5, 9.0, 4.7, 3.6)], columns=["text", "transformer", "untrained", "unigram", "bigram"]
        ),
    )


def words(found):
    return [verdict.split()[0] == "holds" for *_, verdict in language_page.verdicts(found)]


def test_verdicts_follow_the_numbers():
    assert words(results()) == [True] * 8
    assert words(results(step_fine_tuned=(3, 3, 1, 1, 1, 1))) == [True, False, False, *[True] * 5]
    assert words(results(gw=0.3)) == [*[True] * 7, False]
    assert language_page.verdicts(results(gw=0.1, noise=0.5))[-1][-1].startswith("undecided")
    assert words(results(last_two=0.6)) == [*[True] * 4, False, *[True] * 3]
    assert words(results(sparse_95=0.6)) == [*[True] * 6, False, True]


def test_the_page_has_every_number_and_keeps_what_is_around_the_markers(tmp_path):
    text = language_page.page(results(), setup="Sizes.")
    lines = text.splitlines()
    assert "| fine-tuned | 6 | 5 | 0.700 | - | 0.023 | 1 |" in lines
    assert "| gw | fine-tuned | 1 | 1 | 1 | 1 | 3 | 3 |" in lines
    assert "| cka | 0.70 | 0.10 | 8 |" in lines
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
    table, changes = language_maps.maps(encoders, inputs, ["procrustes"], n=8)
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
    table = language_maps.agreements(model, samples, ["euclidean"], n=10).set_index("measure")
    assert list(table.index) == ["depth", "euclidean"]
    kl = interventions(model, samples).kl
    apart = pd.DataFrame(abs(np.subtract.outer(range(8), range(8))), kl.index, kl.columns)
    assert table.loc["depth", "mean"] == pytest.approx(intervention_agreement(kl, apart).mean)


def test_steps_are_the_distances_of_neighbouring_taps_in_their_order():
    table = results(step_fine_tuned=(1, 2, 3, 4, 5, 6)).maps.sample(frac=1, random_state=0).sort_values("tap")
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
        "encoders", "freezing-0", "dropping-0", "maps", "changes", "agreements", "compression")}  # fmt: skip
    assert first.count("on the stand-in") == 8
    for name in ("fine_tune", "freezing", "dropping"):
        monkeypatch.setattr(language, name, None)  # would fail if they were called
    main(given)
    assert path.read_text(encoding="utf-8") == first
    assert {p.name: p.read_bytes() for p in out.glob("*.csv")} == tables
