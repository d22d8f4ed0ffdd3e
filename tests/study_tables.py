"""A made-up table of a study, with curves that are known."""

import numpy as np
import pandas as pd

from nngraph.store import COLUMNS

PRUNED = [0.0, 0.2, 0.4, 0.6, 0.8, 0.95]
NOISE = [2.0**-k for k in range(10, -1, -1)]
FLIPPED = [0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0]
KEPT = {"A": False, "B": True, "C": False, "D": False, "E": True, "F": True, "G": False}

EASY = {"full": [0.98] * 5 + [0.6], "signed": [0.92, 0.95, 0.97, 0.97, 0.96, 0.6]}
HARD = {"full": [0.98, 0.98, 0.97, 0.93, 0.88, 0.6], "signed": [0.54, 0.66, 0.95, 0.94, 0.88, 0.6]}


def made_up_table(easy=EASY, hard=HARD, n_seeds=3, **changes):
    """Return a table in which every claim holds; seeds differ by 0.001. Arguments change curves, for other verdicts."""
    signed = {
        "noise": {"easy": [0.92] * 6 + [0.96, 0.94, 0.8, 0.6, 0.5], "hard": [0.54] * 6 + [0.92, 0.8, 0.6, 0.5, 0.5]},
        "flip": {"easy": [0.92, 0.93, 0.95, 0.96, 0.8, 0.5, 0.5], "hard": [0.54, 0.6, 0.8, 0.92, 0.7, 0.5, 0.5]},
    } | changes.get("signed", {})
    full = {
        "noise": {"easy": [0.98] * 9 + [0.9, 0.6], "hard": [0.98] * 8 + [0.9, 0.67, 0.5]},
        "flip": {"easy": [0.98] * 5 + [0.9, 0.5], "hard": [0.98] * 4 + [0.9, 0.7, 0.5]},
    } | changes.get("full", {})
    share = changes.get("share", {2.0**-4: 0.3})
    nulls = changes.get("nulls", {"easy": 0.94, "hard": 0.75})
    rows = []
    for task, curves in (("easy one", easy), ("hard one", hard)):
        key = task[:4]
        for seed in range(n_seeds):
            shift = 0.001 * (seed - n_seeds // 2)

            def add(operation, parameter, form, null, metric, value, task=task, seed=seed):
                rows.append((task, seed, "n", operation, parameter, form, null, 0, metric, value, "ok"))

            for metric, value in (("sigma_w", 0.06), ("chance", 0.5), ("n_classes", 2.0)):
                add("none", 0.0, "full", "", metric, value)
            for form in ("full", "signed"):
                add("none", 0.0, form, "", "accuracy", curves[form][0] + shift)
                add("none", 0.0, form, "", "auc", changes.get("auc", 0.99))
                add("none", 0.0, form, "", "recalibrated", 0.95)
                for p, value in zip(PRUNED, curves[form], strict=True):
                    add("prune", p, form, "", "accuracy", value + shift)
                for operation, grid in (("noise", NOISE), ("flip", FLIPPED)):
                    by_form = full if form == "full" else signed
                    for x, value in zip(grid, by_form[operation][key], strict=True):
                        add(operation, x, form, "", "accuracy", value + shift)
            for a in NOISE:
                add("noise", a, "full", "", "flipped", share.get(a, 0.0))
            for null, keeps in KEPT.items():
                start = nulls[key] if keeps else 0.5
                add("none", 0.0, "full", null, "accuracy", start + shift)
                top = changes.get("pruned_null", 0.97) if keeps else 0.5
                for p, value in zip(PRUNED, [start, 0.9, top, top, 0.85, 0.5] if keeps else [0.5] * 6, strict=True):
                    add("prune", p, "full", null, "accuracy", value + shift)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"seed": np.int64, "draw": np.int64, "parameter": float, "value": float})
