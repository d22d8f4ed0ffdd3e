"""The pages on null models and on layer groups say what the package does."""

import re
from pathlib import Path

import pytest

import nngraph as nng
from nngraph.nulls.kinds import KINDS

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "nulls.md").read_text(encoding="utf-8")
LAYERS = (DOCS / "layer_groups.md").read_text(encoding="utf-8")
OVERLOOKED = {
    "turned or mirrored": "orthogonal",
    "scaled": "scale",
    "moved": "translation",
    "any linear map": "linear",
    "samples permuted": "row_permutation",
}
COLUMNS = {
    "alpha": ["alpha"],
    "edges": ["density"],
    "support": ["support"],
    "signs": ["signs"],
    "weights": ["weights"],
    "degrees": ["k_source", "k_target"],
    "signed degrees, sources": ["k_source+", "k_source-"],
    "signed degrees, targets": ["k_target+", "k_target-"],
    "strengths, sources": ["s_source+", "s_source-"],
    "strengths, targets": ["s_target+", "s_target-"],
}


def rows_of(table):
    """The cells of a Markdown table, without the line below its header."""
    lines = [line.strip("|").split("|") for line in table.strip().splitlines()]
    return [[cell.strip() for cell in line] for number, line in enumerate(lines) if number != 1]


def test_the_table_of_what_is_kept_has_every_kind_and_says_what_the_package_says():
    table = re.search(r"<!-- kept: begin -->(.*?)<!-- kept: end -->", PAGE, flags=re.DOTALL)
    header, *rows = rows_of(table[1])
    assert header == ["kind", *COLUMNS]
    assert [row[0] for row in rows] == list(KINDS)
    for kind, *cells in rows:
        for word, names in zip(cells, COLUMNS.values(), strict=True):
            assert (word == "yes") == nng.nulls.kept(kind).issuperset(names), (kind, names)
            assert (word == "expected") == nng.nulls.expected(kind).issuperset(names), (kind, names)


@pytest.mark.filterwarnings("ignore::nngraph.errors.NullModelWarning")
def test_the_python_of_the_page_runs_as_it_stands_and_gives_what_it_says():
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 2
    names = {}
    exec("\n".join(blocks).replace("n=200", "n=5"), names)
    assert names["first"].p_plus.shape == (64, 784)
    assert names["first"].residual <= 1e-8
    assert names["z"].shape == (64, 64)
    assert names["c"].shape == (64,)
    assert nng.nulls.shared(names["G"], names["R"]) >= nng.nulls.kept("maximum_entropy")


def test_the_table_of_what_measures_overlook_has_every_measure_and_says_what_the_package_says():
    table = re.search(r"<!-- measures: begin -->(.*?)<!-- measures: end -->", LAYERS, flags=re.DOTALL)
    header, *rows = rows_of(table[1])
    assert header == ["measure", *OVERLOOKED, "other number of dimensions"]
    assert [row[0] for row in rows] == list(nng.similarity.MEASURES)
    for name, *cells in rows:
        measure = nng.similarity.MEASURES[name]
        says = [key in measure.invariances for key in OVERLOOKED.values()] + [not measure.same_d]
        assert [cell == "yes" for cell in cells] == says, name


def test_the_python_of_the_page_on_layer_groups_runs_as_it_stands_and_gives_what_it_says():
    (block,) = re.findall(r"```python\n(.*?)```", LAYERS, flags=re.DOTALL)
    names = {}
    exec(block, names)
    assert len(names["reps"]) == 31
    assert names["found"].squared.shape == (31, 31)
    assert (names["found"].lower <= names["found"].squared + 1e-12).all(axis=None)
    assert (names["found"].squared <= names["found"].identity + 1e-12).all(axis=None)
    assert names["found"].triangle_violations() == 0
    assert names["table"].attrs["twins"] == 2
    assert set(names["table"].index[names["table"]["boundary"]]) <= set(names["table"].index[names["table"]["peak"]])


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_links_of_a_page_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not (DOCS / link).exists()] == []
