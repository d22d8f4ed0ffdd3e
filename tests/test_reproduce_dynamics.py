"""The distances between layers of Model 0 through its training."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from nngraph.checkpoints import Dynamics
from nngraph.reproduce.layer_groups import dynamics, modular


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dynamics")
    return folder, dynamics.run(folder, sizes={"cka": 40})


def test_every_stored_checkpoint_has_its_scores_on_held_out_pairs(written):
    _, table = written
    assert tuple(table["step"]) == modular.stored_steps("0")
    rows = modular.split()[1]
    for row in table.itertuples():
        model = modular.load("0", step=row.step)
        assert row.accuracy == pytest.approx(modular.accuracy(model, "0", rows))
        with torch.no_grad():
            logits = model(torch.from_numpy(modular.pairs()[rows]))[:, -1]
        answers = torch.from_numpy(np.asarray(modular.targets("0")["c"])[rows])
        assert row.loss == pytest.approx(torch.nn.functional.cross_entropy(logits, answers).item(), rel=1e-4)


def test_the_page_has_the_numbers_of_the_table(written):
    folder, table = written
    page = (folder / "layer_groups_dynamics.md").read_text(encoding="utf-8")
    for row in table.itertuples():
        assert f"| {row.step} | {row.loss:.3f} | {row.accuracy:.3f} | {row.mean_distance:.4f} |" in page
    assert (folder / "pictures" / "layers_dynamics.png").read_bytes().startswith(b"\x89PNG")


def made(d, loss, accuracy):
    table = pd.DataFrame({"step": range(len(d)), "mean_distance": d, "loss": loss, "accuracy": accuracy})
    return Dynamics(table, pd.DataFrame(), {})


def test_the_claim_holds_in_part_where_only_time_is_behind_it():
    d = np.array([1.0, 3, 2, 5, 4, 7, 6])
    assert dynamics.claim(made(d, -d, d))[0] == "holds"
    t = np.arange(7.0)
    shifted = t + np.array([0, -2, 2, -2, 2, -2, 2]) * 0.9
    assert dynamics.claim(made(d, -shifted, shifted))[0] == "holds in part"
    assert dynamics.claim(made(d, d, -d))[0] == "does not hold"


def test_the_page_of_the_documentation_has_every_checkpoint_and_its_picture():
    docs = Path(__file__).parents[1] / "docs"
    page = (docs / "layer_groups_dynamics.md").read_text(encoding="utf-8")
    assert [int(step) for step in re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)] == list(
        modular.stored_steps("0")
    )
    assert dynamics.RULE in page
    gaps = np.diff(modular.stored_steps("0"))
    for words in ("stored in 8 bits", f"lie {gaps.min()} to {gaps.max()} steps apart"):
        assert words in page
    assert 0 < (docs / "pictures" / "layers_dynamics.png").stat().st_size < 300_000
