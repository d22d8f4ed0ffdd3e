"""What is written of a ledger: tables, pages of documentation, and a report that is one file."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from importlib import resources

import numpy as np
import pytest
from ledgers import a_figure, a_row, an_experiment, installed
from PIL import Image

from nngraph.errors import FormatError, StudyError
from nngraph.reproduce import __main__ as command
from nngraph.reproduce import _ledger_folder, _ledger_tables, _report, ledger

ODD = "<script>alert('p*')</script> & \"q\" | [x](y) `z` _w_ `"
VOID = {"meta", "link", "input", "img", "br"}


class Page(HTMLParser):
    """Tags with their attributes, and the text; raises where tags do not nest."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text, self.code = [], [], "", []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data
        if self.open and self.open[-1] == "code":
            self.code.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def papers(monkeypatch):
    return installed(monkeypatch, "cats", "dogs")


def drawn(rows, **figures):
    """An experiment of these rows that writes figures first."""

    def run(context):
        for name, content in figures.items():
            (context.folder / f"{name}.png").write_bytes(content)
        return rows

    return an_experiment("drawn", [row.key for row in rows], run)


@pytest.fixture
def written(papers, tmp_path):
    """The folder of a ledger with every verdict, odd texts, a figure of two rows, and a failed experiment."""

    def fail(context):
        raise ValueError(ODD)

    rows = [
        a_row("cats-01", statement=ODD, figure="f.png", control=ODD, seeds=12, value=91.5, low=90.2, high=93.0),
        a_row("cats-02", verdict="holds in part", figure="f.png", seeds=1, seconds=125.0),
        a_row("cats-03", verdict="not testable here", missing=ODD, stand_in="cats-03a", measured="", data=""),
        a_row("cats-03a", verdict="does not hold"),
        a_row("cats-03b", verdict="does not hold", undecided=True),
        a_row("cats-x1", source="not in the paper"),
    ]
    papers["cats"].EXPERIMENTS = (drawn(rows, f=a_figure(30, 20)),)
    papers["dogs"].EXPERIMENTS = (an_experiment("broken", ["dogs-01"], fail), an_experiment("whole", ["dogs-02"]))
    ledger.run(out=tmp_path / "out")
    return tmp_path / "out"


def test_the_csv_has_every_field_of_every_row(written):
    rows = list(csv.DictReader(io.StringIO((written / "ledger.csv").read_text(encoding="utf-8"))))
    kept = _ledger_folder.read(written).entries
    assert [row["key"] for row in rows] == [entry.row.key for entry in kept]
    assert (rows[0]["paper"], rows[0]["experiment"], rows[0]["statement"]) == ("cats", "drawn", ODD)
    assert (rows[0]["low"], rows[0]["seeds"], rows[3]["low"]) == ("90.2", "12", "")
    assert [row["failed"] for row in rows] == ["False"] * 6 + ["True", "False"]


def test_verdicts_are_counted_by_paper_and_sum_up(written):
    kept = _ledger_folder.read(written)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in _ledger_tables.counts({"quick": kept})]
    assert cells[0] == [
        *("paper", "scale", "rows", "holds", "holds in part", "does not hold", "of which undecided"),
        *("not testable here", "failed"),
    ]
    assert cells[2:] == [
        ["cats", "quick", "6", "2", "1", "2", "1", "1", "0"],
        ["dogs", "quick", "2", "1", "0", "0", "0", "0", "1"],
        ["all", "quick", "8", "3", "1", "2", "1", "1", "1"],
    ]


def test_what_is_undecided_is_said_beside_its_verdict_and_counted_apart(written):
    text = (written / "ledger.md").read_text(encoding="utf-8")
    assert re.search(r"\| cats-03b \|.*\*\*does not hold \(undecided\)\*\*: 91.5", text)
    assert "  - quick: does not hold (undecided), digits (canvas)." in text
    report = (written / "report.html").read_text(encoding="utf-8")
    assert "does not hold (1 undecided)" in Page(report).text
    article = Page(re.search(r'<article id="cats-03b".*?</article>', report, flags=re.DOTALL)[0])
    assert "does not hold (undecided)" in article.text
    rows = csv.DictReader(io.StringIO((written / "ledger.csv").read_text(encoding="utf-8")))
    assert [row["key"] for row in rows if row["undecided"] == "True"] == ["cats-03b"]


def test_the_page_of_markdown_has_each_row_with_its_rule_and_control_and_nothing_that_it_would_take_for_markup(written):
    text = (written / "ledger.md").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "p\\*" in text
    assert "\\[x\\](y) `z` \\_w\\_ \\`" in text
    for line in text.splitlines():
        if line.startswith("| cats-"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 5
    assert (
        "| cats-02 | Pruning raises the signed network | 92 to 97 | **holds in part**: 91.5 (90.2-93.0) to 96.4 |"
        in text
    )
    assert re.search(r"\| cats-03 \|.*\*\*not testable here\*\*: missing: .*; instead cats-03a \|", text)
    assert re.search(r"\| dogs-01 \|.*\*\*failed\*\*: ValueError: ", text)
    assert (
        "- **cats-02** (Fig. 1). Rule: at least 1 point\n  - quick: holds in part, digits (canvas), 1 network." in text
    )
    assert re.search(r"  - quick: holds, digits \(canvas\), 12 networks\. Control: &lt;script>", text)


def test_the_report_is_whole_loads_nothing_and_links_within_itself(written):
    page = Page((written / "report.html").read_text(encoding="utf-8"))
    assert not page.all("script")
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [attrs["href"] for attrs in page.all("a")]
    assert {link for link in links if link.removeprefix("#") not in ids} == set()
    assert all(attrs["href"] == "data:," for attrs in page.all("link"))
    assert all(attrs["src"].startswith("data:image/png;base64,") for attrs in page.all("img"))
    assert "url(" not in (written / "report.html").read_text(encoding="utf-8")


def test_the_report_has_an_article_for_each_row_with_its_verdict_in_words(written):
    text = (written / "report.html").read_text(encoding="utf-8")
    articles = {attrs["id"]: attrs["data-verdict"] for attrs in Page(text).all("article")}
    kept = _ledger_folder.read(written).entries
    assert articles == {entry.row.key: "failed" if entry.failed else entry.row.verdict for entry in kept}
    for entry in kept:
        article = Page(re.search(rf'<article id="{entry.row.key}".*?</article>', text, flags=re.DOTALL)[0])
        row = entry.row
        told = (
            "failed" if entry.failed else row.said,
            row.statement,
            row.criterion,
            row.authors,
            row.missing or row.measured,
            row.control,
        )
        assert [said for said in told if said.replace("`z`", "z") not in article.text] == []
        assert ("z" in article.code) == (ODD in row.statement + row.missing)


def test_the_report_says_what_was_run_in_place_of_a_claim_and_what_failed(written):
    text = Page((written / "report.html").read_text(encoding="utf-8")).text
    assert "In its place: cats-03a, does not hold." in text
    assert "an experiment failed (dogs/broken)" in text
    assert "Headline number, as in Measured91.5 (from 90.2 to 93)" in text


def test_what_was_not_run_is_named(papers, tmp_path):
    papers["cats"].EXPERIMENTS = (an_experiment("a", ["cats-01"]), an_experiment("b", ["cats-02"]))
    ledger.run(["cats"], out=tmp_path, only=["cats-01"])
    assert "Not run: cats/b, dogs." in Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    ledger.run(out=tmp_path)
    assert "Not run" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Not run" not in (tmp_path / "ledger.md").read_text(encoding="utf-8")
    assert "nngraph reproduce --scale quick --seed 0" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_rows_of_an_experiment_that_is_gone_are_left_out(papers, tmp_path):
    ledger.run(["cats"], out=tmp_path)
    papers["cats"].EXPERIMENTS = (an_experiment("second", ["cats-02"]),)
    ledger.run(["cats"], out=tmp_path)
    assert [entry.row.key for entry in _ledger_folder.read(tmp_path).entries] == ["cats-02"]


def test_a_row_that_is_to_be_run_in_place_of_a_claim_is_named_before_it_was_run(papers, tmp_path):
    untested = a_row("cats-01", verdict="not testable here", missing="a file", stand_in="cats-02", measured="", data="")
    papers["cats"].EXPERIMENTS = (drawn([untested]), an_experiment("later", ["cats-02"]))
    ledger.run(["cats"], out=tmp_path, only=["cats-01"])
    text = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "Missing: a file. In its place: cats-02, which was not run yet." in text


def test_a_figure_is_shown_once_and_described_and_its_other_rows_point_to_it(written):
    text = (written / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    (image,) = page.all("img")
    assert (image["width"], image["height"]) == ("30", "20")
    assert image["alt"].startswith("Figure of cats-01: ")
    assert "Figure for cats-01, cats-02" in page.text
    assert 'Figure: with <a href="#cats-01">cats-01</a>' in text


def test_a_figure_that_is_gone_leaves_a_sentence(written, caplog):
    (written / "cats/drawn/f.png").unlink()
    text = _report.report(_ledger_folder.read(written))
    assert "The figure f.png is no longer in its folder." in text
    assert "f.png: cannot be read" in caplog.text


def test_wide_figures_become_narrower_and_keep_their_shape():
    rng = np.random.default_rng(0)
    content = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (500, 2000, 3), dtype=np.uint8)).save(content, "PNG")
    small, size = _report.shrunk(content.getvalue())
    assert size == (1200, 300)
    assert Image.open(io.BytesIO(small)).size == size
    assert len(small) < len(content.getvalue()) / 5


def test_a_figure_that_would_not_become_smaller_stays_as_it_is():
    content = a_figure(3, 3, "L", 0)
    assert _report.shrunk(content) == (content, (3, 3))


def test_what_is_transparent_becomes_white():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (200, 300, 4), dtype=np.uint8)
    pixels[:, :100, 3] = 0
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    small, _ = _report.shrunk(content.getvalue())
    assert (np.asarray(Image.open(io.BytesIO(small)).convert("RGB"))[:, :100] == 255).all()


def contrast(a, b):
    def luminance(colour):
        digits = colour.removeprefix("#")
        digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
        channels = np.array([int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_texts_of_the_report_stand_out_from_what_is_behind_them(scheme):
    style = resources.files("nngraph.reproduce").joinpath("report.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#\w+)", re.findall(r":root \{.*?\}", style, flags=re.DOTALL)[scheme]))
    assert contrast("#000", "#fff") == pytest.approx(21)
    verdicts = [verdict.replace(" ", "-") for verdict in ledger.VERDICTS]
    pairs = [(text, back) for text in ("ink", "soft", "link") for back in ("paper", "card")]
    for text, back in [*pairs, *((verdict, f"{verdict}-tint") for verdict in verdicts), ("ink", "does-not-hold-tint")]:
        assert contrast(colours[text], colours[back]) >= 4.5, (text, back)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.24, "0.2 s"), (12, "12 s"), (99.4, "99 s"), (180, "3 min"), (5999, "1 h 40 min"), (7200, "2 h")],
)
def test_durations_are_said_as_readers_say_them(seconds, text):
    assert _ledger_tables.duration(seconds) == text


@pytest.fixture
def pages(tmp_path):
    (tmp_path / "docs").mkdir()
    readme = tmp_path / "README.md"
    readme.write_text("# A\n<!-- ledger: begin -->\nold\n<!-- ledger: end -->\nb é\n", encoding="utf-8")
    return readme, tmp_path / "docs"


def publish(pages, *folders):
    command.main([*map(str, folders), "--readme", str(pages[0]), "--docs", str(pages[1])])


def test_finished_ledgers_come_into_the_readme_and_the_documentation_beside_each_other(papers, pages, tmp_path):
    def run(context):
        return [a_row("cats-01", verdict="holds" if context.scale == "quick" else "does not hold")]

    apart = (an_experiment(name, [f"cats-0{i}"]) for i, name in enumerate(("second", "third"), start=2))
    papers["cats"].EXPERIMENTS = (an_experiment("both", ["cats-01"], run), *apart)
    ledger.run(["cats"], out=tmp_path / "q", only=["cats-01", "cats-02"])
    ledger.run(["cats"], out=tmp_path / "f", only=["cats-01", "cats-03"], scale="full")
    ledger.run(["dogs"], out=tmp_path / "m", scale="full", data="mnist")
    publish(pages, tmp_path / "q", tmp_path / "f", tmp_path / "m")
    text = pages[0].read_text(encoding="utf-8")
    assert text.startswith("# A\n<!-- ledger: begin -->\n\n| paper |")
    assert text.endswith("|\n\n<!-- ledger: end -->\nb é\n")
    assert "yesterday" not in text
    assert (
        "| cats | quick | 2 | 2 | 0 | 0 | 0 | 0 | 0 |\n| cats | full | 2 | 1 | 0 | 1 | 0 | 0 | 0 |\n"
        "| dogs | full mnist | 2 |" in text
    )
    page = (pages[1] / "ledger.md").read_text(encoding="utf-8")
    assert "| row | claim | authors | quick | full | full mnist |" in page
    assert re.search(r"\| cats-01 \|.*\| \*\*holds\*\*: 91.5 .*\| \*\*does not hold\*\*: 91.5 .*\| - \|", page)
    assert re.search(r"\| cats-02 \|.*\| \*\*holds\*\*: .*\| - \| - \|", page)
    assert "`nngraph reproduce dogs --scale full --data mnist --seed 0` (" in page
    assert "Not run at the scale quick: cats/third, dogs." in page
    assert page.index("cats-02") < page.index("cats-03")
    publish(pages, tmp_path / "q", tmp_path / "f", tmp_path / "m")
    assert pages[0].read_text(encoding="utf-8") == text


@pytest.mark.parametrize("text", ["", "<!-- ledger: begin -->", "<!-- ledger: end --><!-- ledger: begin -->"])
def test_a_readme_without_its_markers_is_left_as_it_is(papers, pages, tmp_path, text):
    ledger.run(["cats"], out=tmp_path / "q")
    pages[0].write_text(text)
    with pytest.raises(FormatError, match="has no lines '<!-- ledger: begin -->' and '<!-- ledger: end -->'"):
        _ledger_tables.publish([tmp_path / "q"], *pages)
    assert pages[0].read_text() == text
    assert not (pages[1] / "ledger.md").exists()


def test_a_ledger_with_a_failure_is_not_published(written, pages, capsys):
    with pytest.raises(SystemExit) as stopped:
        publish(pages, written)
    assert stopped.value.code == 1
    assert "dogs/broken failed; run it again before its ledger is published" in capsys.readouterr().err


def test_two_ledgers_of_one_scale_are_not_published_together(papers, pages, tmp_path):
    for name in "ab":
        ledger.run(["cats"], out=tmp_path / name)
    with pytest.raises(StudyError, match="b: is a second ledger of the scale 'quick'; give one folder for each"):
        _ledger_tables.publish([tmp_path / "a", tmp_path / "b"], *pages)


@pytest.mark.parametrize("changes", [{"format": 0}, {"nngraph": "0.0.1"}])
def test_a_ledger_of_another_version_is_not_published(papers, pages, tmp_path, changes):
    ledger.run(["cats"], out=tmp_path / "q")
    file = tmp_path / "q/ledger.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(StudyError, match=r"was written by nngraph .* run it again into another folder"):
        _ledger_tables.publish([tmp_path / "q"], *pages)
