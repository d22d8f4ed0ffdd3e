"""The report in a browser: it draws without an error, holds its figures, fits narrow and wide, and filters."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from ledgers import a_row, an_experiment, installed

from nngraph.reproduce import ledger

pytestmark = pytest.mark.integration
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), "")
LOOK = """<script>
const shown = () => [...document.querySelectorAll("article")].filter(a => a.checkVisibility()).map(a => a.id);
addEventListener("load", () => {
  const found = {all: shown(), inner: innerWidth, page: document.documentElement.scrollWidth};
  found.images = [...document.images].map(i => [i.naturalWidth, i.clientWidth, i.checkVisibility()]);
  found.columns = document.querySelectorAll("#cats-01 .values > div")[1].offsetTop
    > document.querySelectorAll("#cats-01 .values > div")[0].offsetTop ? 1 : 2;
  found.words = document.querySelector("thead .word").offsetWidth;
  document.querySelector("#show-holds").click();
  found.without = shown();
  document.querySelector("#show-holds").click();
  const rule = document.querySelector("#cats-01 details dd");
  found.closed = rule.checkVisibility();
  document.querySelector("#cats-01 summary").click();
  found.opened = rule.checkVisibility();
  document.body.dataset.found = JSON.stringify(found);
});
</script>"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report with figures, every verdict, and a script added that notes what the browser made of it."""
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    from matplotlib.figure import Figure

    folder = tmp_path_factory.mktemp("ledger")
    holds, in_part, does_not, untestable = ledger.VERDICTS
    keys = ("cats-01", "cats-02", "cats-03", "cats-03a", "cats-x1")
    verdicts = dict(zip(keys, (holds, in_part, untestable, does_not, holds), strict=True))

    def draw(context):
        figure = Figure(figsize=(10, 4))
        figure.subplots().plot(np.sin(np.arange(50)))
        figure.savefig(context.folder / "sine.png", dpi=150)
        untested = {"missing": "the files of CIFAR-10", "stand_in": "cats-03a"}
        return [
            a_row(key, verdict=verdict, figure="sine.png", statement="A long statement " * 9, control="x" * 200)
            if verdict != "not testable here"
            else a_row(key, verdict=verdict, **untested)
            for key, verdict in verdicts.items()
        ]

    with pytest.MonkeyPatch.context() as patch:
        installed(patch, "cats")["cats"].EXPERIMENTS = (an_experiment("draw", list(verdicts), draw),)
        ledger.run(out=folder / "out")
    text = (folder / "out/report.html").read_text(encoding="utf-8")
    (folder / "looked.html").write_text(text.replace("</body>", f"{LOOK}</body>"), encoding="utf-8")
    return folder / "looked.html"


def opened(page, tmp_path, *flags, width=1280):
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += [f"--user-data-dir={tmp_path}", f"--window-size={width},900", *flags, f"file://{page}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def found(page, tmp_path, width):
    """What the script noted in a frame of this width: windows without a screen are 500 wide at least."""
    frame = tmp_path / "frame.html"
    note = "document.body.dataset.found = frames[0].document.body.dataset.found"
    frame.write_text(f'<iframe src="file://{page}" width={width} height=900 frameborder=0 onload="{note}"></iframe>')
    done = opened(frame, tmp_path / "profile", "--dump-dom", "--allow-file-access-from-files", width=1400)
    assert "CONSOLE" not in done.stderr
    text = re.search(r'data-found="([^"]*)"', done.stdout)[1]
    return json.loads(text.replace("&quot;", '"'))


def test_the_browser_tells_of_errors_of_a_page_that_has_one(report, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text("<script>nothing.at.all</script>")
    assert "CONSOLE" in opened(broken, tmp_path / "profile", "--dump-dom").stderr


@pytest.mark.parametrize(("width", "columns"), [(1280, 2), (390, 1)])
def test_the_report_is_drawn_whole_at_every_width(report, tmp_path, width, columns):
    seen = found(report, tmp_path, width)
    assert seen["inner"] == width
    assert seen["page"] <= width  # nothing sticks out to the side
    assert seen["all"] == ["cats-01", "cats-02", "cats-03", "cats-03a", "cats-x1"]
    ((natural, drawn, visible),) = seen["images"]
    assert natural == 1200
    assert 300 < drawn <= 1280
    assert visible
    assert seen["columns"] == columns
    assert (seen["words"] > 1) == (width > 600)


def test_verdicts_are_hidden_and_rules_opened_without_a_script_of_the_page(report, tmp_path):
    seen = found(report, tmp_path, 1280)
    assert seen["without"] == ["cats-02", "cats-03", "cats-03a"]
    assert (seen["closed"], seen["opened"]) == (False, True)


def test_dark_and_light_pages_differ_in_what_is_behind_the_text(report, tmp_path):
    from PIL import Image

    corners = []
    for name, flags in (("light", []), ("dark", ["--force-dark-mode"])):
        opened(report, tmp_path / name, f"--screenshot={tmp_path / name}.png", *flags)
        corners.append(Image.open(tmp_path / f"{name}.png").convert("L").getpixel((5, 5)))
    assert corners[0] > 230
    assert corners[1] < 40


def test_on_paper_the_rules_are_open(report, tmp_path):
    text = report.read_text(encoding="utf-8").replace("@media print", "@media all")
    (tmp_path / "paper.html").write_text(text, encoding="utf-8")
    assert found(tmp_path / "paper.html", tmp_path, 1280)["closed"]
