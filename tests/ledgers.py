"""Small ledgers of papers that do not exist."""

import io
import sys
import types

from nngraph.reproduce import ledger
from nngraph.reproduce.ledger import Experiment, Paper, Row


def a_row(key, **changes):
    given = {
        "key": key,
        "source": "Fig. 1",
        "statement": "Pruning raises the signed network",
        "criterion": "at least 1 point",
        "authors": "92 to 97",
        "measured": "91.5 (90.2-93.0) to 96.4",
        "verdict": "holds",
        "data": "digits (canvas)",
    }
    return Row(**given | changes)


def an_experiment(name, keys, run=None, **minutes):
    given = run or (lambda _: [a_row(key) for key in keys])
    return Experiment(name, tuple(keys), given, {"quick": 1, "full": 2} | minutes)


def a_figure(width=40, height=20, mode="RGB", color="red"):
    from PIL import Image

    content = io.BytesIO()
    Image.new(mode, (width, height), color).save(content, "PNG")
    return content.getvalue()


def installed(monkeypatch, *names):
    """Put papers of these names in place of the real ones; give their modules, whose EXPERIMENTS may be changed."""
    modules = {name: types.ModuleType(f"fake_{name}") for name in names}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, module.__name__, module)
        module.EXPERIMENTS = (an_experiment("first", [f"{name}-01", f"{name}-02"]),)
    papers = {name: Paper(f"On {name}", "A. Author, 2020", module.__name__, 2) for name, module in modules.items()}
    for known in reversed(list(ledger.PAPERS)):  # what is put back in the end stands as it stood
        monkeypatch.delitem(ledger.PAPERS, known)
    for name, paper in papers.items():
        monkeypatch.setitem(ledger.PAPERS, name, paper)
    return modules
