"""The site: built by one command without a warning and without network, whole, and readable from a disk."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from pages import DOCS, ROOT, pages

EQUATION = re.compile(r"^\$\$(.*?)\$\$$|(?<![\\$`\w])\$([^$\n`]+)\$(?!\w)", re.DOTALL | re.MULTILINE)


def extension(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / "_extensions" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Page(HTMLParser):
    """What a page points to, what can be pointed to in it, and what a browser would load with it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.loads, self.equations = [], set(), [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        self.links += [found[name] for name in ("href", "src") if found.get(name)]
        if found.get("src") or (tag == "link" and found.get("rel") != "canonical"):
            self.loads.append(found.get("src") or found.get("href", ""))
        self.equations += tag == "math"


def equations():
    """Every equation of the pages and of the package's docstrings."""
    for path in pages().values():
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        yield from (block or inline for block, inline in EQUATION.findall(text))
    for path in (ROOT / "nngraph").rglob("*.py"):
        for docstring in re.findall(r'r?"""(.*?)"""', path.read_text(encoding="utf-8"), flags=re.DOTALL):
            found = re.findall(r"\.\. math:: (.*?)(?=\n\s*\n|\Z)", docstring, flags=re.DOTALL)
            yield from found + re.findall(r":math:`([^`]+)`", docstring)


def test_every_equation_can_be_written_as_mathml(monkeypatch):
    from docutils import nodes

    mathml = extension("mathml")
    failed = []
    monkeypatch.setattr(mathml._LOG, "warning", lambda text, *arguments, **_: failed.append(text % arguments))
    found = list(equations())
    assert len(found) > 150
    written = [mathml.converted(nodes.math_block(tex, tex), display=True) for tex in found]
    assert failed == []
    assert all(text.startswith("<math") for text in written)


def test_indices_of_accented_letters_stand_beside_them_and_inner_brackets_keep_their_size():
    from docutils import nodes

    mathml = extension("mathml")
    text = mathml.converted(nodes.math(r"\bar x_{n} ", r"\bar x_{n}"), display=False)
    assert re.search(r"<msub>\s*<mover[^>]*>\s*<mi>x</mi>.*</mover>\s*<mi>n</mi>\s*</msub>", text, flags=re.DOTALL)
    text = mathml.converted(nodes.math("", r"\left(1 + (x)\right)"), display=False)
    assert text.count('stretchy="false"') == 2


def test_public_names_of_the_reference_are_those_of_the_package():
    generated = extension("generated")
    found = {
        module: [name for _, names in generated.public(module) for name in names] for module in generated.packages()
    }
    assert {"from_torch", "NeuralGraph", "Study"} <= set(found["nngraph"])
    assert {"randomize", "RUNGS", "Mixing"} <= set(found["nngraph.nulls"])
    assert not [name for names in found.values() for name in names if name.startswith("_")]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", "-E"]
    done = subprocess.run(
        [*command, "-d", str(folder / "doctrees"), str(DOCS), str(folder / "html")],
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    assert "WARNING" not in done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def built(site):
    return {path.relative_to(site).as_posix(): Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


@pytest.mark.integration
def test_every_link_of_the_site_leads_to_a_file_and_to_a_place_in_it(site, built):
    lost = []
    for name, page in built.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or link.startswith(("//", "mailto:")):
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            target = Path(os.path.normpath(target))
            known = built.get(target.relative_to(site).as_posix()) if target.is_relative_to(site) else None
            if not target.exists() or (known and parts.fragment and unquote(parts.fragment) not in known.ids):
                lost.append((name, link))
    assert lost == []


@pytest.mark.integration
def test_a_page_opened_from_a_disk_loads_nothing_from_the_network(built):
    assert [(name, load) for name, page in built.items() for load in page.loads if "//" in load] == []


@pytest.mark.integration
def test_the_site_has_every_page_every_notebook_and_every_public_name(site, built):
    wanted = {f"{name}.html" for name in pages()}
    wanted |= {f"notebooks/{path.stem}.html" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert wanted <= set(built)
    generated = extension("generated")
    for module in generated.packages():
        names = {f"{module}.{name}" for _, names in generated.public(module) for name in names}
        assert names <= built[f"api/{module}.html"].ids, module
    assert built["theory/capacitance.html"].equations > 10
    assert built["api/nngraph.nulls.html"].equations > 5


@pytest.mark.integration
def test_pages_that_are_read_in_order_lead_from_one_to_the_next(site):
    order, name = [], "index"
    while name not in order:
        order.append(name)
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        follows = re.search(r'<link rel="next"[^>]* href="([^"]+)"', text)
        if not follows:
            break
        name = os.path.normpath(os.path.join(os.path.dirname(name), follows[1])).removesuffix(".html")
    assert order[:3] == ["index", "start", "edges"]
    assert set(pages()) <= set(order)
