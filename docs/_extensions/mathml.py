"""Equations as MathML, which browsers draw themselves: no script, no font and no network is needed."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

_LOG = logging.getLogger(__name__)
_MATHML = "{http://www.w3.org/1998/Math/MathML}"
_ACCENTS = set("ˉ^~˙→‾¯ˆ˜")
_BRACKETS = set("()[]{}|‖∥")
_SIZES = re.compile(r"\\[bB]igg?[lr]?(?![a-zA-Z])")  # brackets of a fixed size, which MathML does not have
_DOTS = re.compile(r"\\dots(?![a-zA-Z])")
_ENTITIES = re.compile(r"&(?!lt;|gt;|amp;)\w+;")  # of HTML, which XML does not know
ElementTree.register_namespace("", _MATHML.strip("{}"))


def converted(node: nodes.math | nodes.math_block, *, display: bool) -> str:
    """Return the equation of a node as MathML; a warning names what cannot be converted."""
    tex = _DOTS.sub(r"\\ldots", _SIZES.sub("", " ".join(node.astext().split())))
    lines = display and ("\\\\" in tex or "&" in tex) and "\\begin{" not in tex
    try:
        written = tex2mathml(rf"\begin{{aligned}}{tex}\end{{aligned}}" if lines else tex, as_block=display)
    except MathError as error:
        _LOG.warning("equation: %s, in %s", error, tex, location=node)
        return f"<code>{html.escape(tex)}</code>"
    tree = ElementTree.fromstring(_ENTITIES.sub(lambda found: html.unescape(found[0]), written))
    return ElementTree.tostring(mended(tree), encoding="unicode")


def mended(tree: ElementTree.Element) -> ElementTree.Element:
    """Put indices of accented letters at their side, and let only outermost brackets of a group grow with it."""
    for element in tree.iter():
        if element.tag == f"{_MATHML}munderover" and element[2].text in _ACCENTS:
            base, index, accent = element
            over = ElementTree.Element(f"{_MATHML}mover", accent="true")
            over.extend([base, accent])
            element.tag = f"{_MATHML}msub"
            element[:] = [over, index]
        inner = element[1:-1] if element.tag == f"{_MATHML}mrow" else element[:]
        for child in inner:
            if child.tag == f"{_MATHML}mo" and child.text in _BRACKETS:
                child.set("stretchy", "false")
    return tree


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write an equation within a line."""
    self.body.append(converted(node, display=False))
    raise nodes.SkipNode


def visit_display(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write an equation that stands by itself, with its number where it has one."""
    self.body.append(self.starttag(node, "div", CLASS="math-block"))
    if node.get("number"):
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})</span>')
    self.body.append(converted(node, display=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer "mathml"."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
