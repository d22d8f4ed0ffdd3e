"""The README is tried as it stands: its Python blocks in order, and its main command on few seeds."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

README = Path(__file__).parents[1] / "README.md"

pytestmark = pytest.mark.integration


def test_the_python_of_the_readme_runs_as_it_stands(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 7
    code = "\n".join(blocks).replace("seeds=12", "seeds=1").replace("n_jobs=2", "n_jobs=1")
    script = tmp_path / "readme.py"
    script.write_text(f"{code}\nprint(len(table))\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    assert "untrained twins" in done.stdout
    assert int(done.stdout.split()[-1]) == len(pd.read_parquet(tmp_path / "results/mine/results.parquet"))


def test_the_main_job_writes_its_table_its_figures_and_its_summary(tmp_path):
    command = [sys.executable, "-c", "from nngraph.cli import app; app()", "study", "--seeds", "2", "--draws", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "results" / "digits"
    table = pd.read_parquet(folder / "results.parquet")
    assert set(table.status) == {"ok"}
    assert len(list((folder / "networks").glob("*.nngraph"))) == 4
    assert {path.suffix for path in (folder / "figures").iterdir()} == {".png", ".pdf"}
    assert (folder / "summary.md").read_text(encoding="utf-8").strip() in done.stdout
