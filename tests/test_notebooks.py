"""Every notebook runs anew from top to bottom, and keeps outputs that read well without running."""

from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_in_an_empty_folder_and_draws_what_it_shows(path, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel shows figures in the page, as a user's does
    kept = nbformat.read(path, as_version=4)
    new = nbformat.read(path, as_version=4)
    NotebookClient(new, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    for before, after in zip(kept.cells, new.cells, strict=True):
        if before.cell_type == "code":
            assert kinds(before) == kinds(after), before.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_shows_pictures_and_no_machine(path):
    text = path.read_text(encoding="utf-8")
    assert len(text) < 2**20
    assert '"image/png"' in text
    assert "/home/" not in text
    assert '"output_type": "error"' not in text
    assert '"name": "stderr"' not in text


def kinds(cell):
    """What a cell shows, without the numbers."""
    return [sorted(output.get("data", {output.output_type: None})) for output in cell.outputs]
