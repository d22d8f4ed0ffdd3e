"""The pages say what the package does: their code runs and prints what they show, their links lead somewhere."""

import contextlib
import importlib.util
import re

import pytest
from pages import DOCS, ROOT, close, commands, fences, pages, run_page, same

import nngraph as nng
from nngraph.nulls.kinds import KINDS

PAGES = pages()
OWN = {"nulls", "layer_groups", "howto/cluster", "howto/hugging_face"}  # run elsewhere, with less or with more
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


def runs(path):
    return any(fence.kind in ("python", "console") for fence in fences(path.read_text(encoding="utf-8")))


@pytest.mark.filterwarnings("ignore::nngraph.errors.NullModelWarning")
@pytest.mark.parametrize("name", [name for name, path in PAGES.items() if runs(path) and name not in OWN])
def test_the_code_of_a_page_runs_as_it_stands_and_prints_what_the_page_shows(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line, shown, printed in run_page(PAGES[name].read_text(encoding="utf-8")):
        assert shown is None or same(shown, printed), f"{name}, line {line}: the page shows\n{shown}\nbut\n{printed}"


@pytest.mark.parametrize("name", PAGES)
def test_links_of_a_page_lead_to_files(name):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", PAGES[name].read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not (PAGES[name].parent / link).exists()] == []


@pytest.mark.parametrize("path", [ROOT / "README.md", *PAGES.values()], ids=lambda path: path.stem)
def test_command_lines_of_a_page_are_understood(path):
    import typer

    from nngraph.cli import app

    verbs = typer.main.get_command(app).commands
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for program, arguments, _ in commands(path.read_text(encoding="utf-8")):
        if program == "make":
            assert set(arguments) <= set(targets)
        elif program == "python" and arguments[:1] == ["-m"]:
            assert importlib.util.find_spec(arguments[1]), arguments
        elif program == "nngraph":
            assert arguments[0] in verbs, arguments
            with contextlib.suppress(typer.Exit):  # --help; what is not understood raises another error
                verbs[arguments[0]].make_context(arguments[0], arguments[1:])


def test_blocks_of_a_page_are_read_with_what_they_print():
    text = "a\n```python\nprint(1)\n```\n```text\n1\n```\n\n```python\nx = 2\n```\nprose\n```text\n2\n```\n"
    assert [(f.kind, f.shown, f.line) for f in fences(text)] == [
        ("python", "1\n", 2),
        ("python", None, 9),
        ("text", None, 13),
    ]
    assert commands("```console\n$ nngraph info a.graphml\nout\n```\n```\nmake demo  # all\nother\n```\n") == [
        ("nngraph", ["info", "a.graphml"], ["out"]),
        ("make", ["demo"], []),
    ]


@pytest.mark.parametrize(
    ("shown", "printed", "alike"),
    [
        ("auc 0.97\n", "auc  0.96\n", True),
        ("auc 0.97", "auc 0.71", False),
        ("784 edges", "785 edges", False),
        ("784 edges", "784 nodes", False),
        ("1,024 edges, 49.1 %", "1,024 edges, 48.0 %", True),
        ("a\n...\nd", "a\nb\nc\nd", True),
        ("a\n...\nd", "a\nb\nc", False),
        ("a\n...", "a\nb", True),
        ("...\nb", "a\nb", True),
        ("a", "a b", False),
        ("", "a", False),
    ],
)
def test_what_a_page_shows_is_compared_word_by_word_and_decimals_with_a_tolerance(shown, printed, alike):
    assert same(shown, printed) == alike


def test_numbers_within_words_are_compared_too():
    assert close("0.97,", "0.98,")
    assert not close("k_1", "k_2")
    assert not close("a=3", "a=4")
