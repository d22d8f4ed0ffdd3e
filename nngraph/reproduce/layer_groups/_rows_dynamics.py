"""The row on the distances between layers in the training of Model 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nngraph.reproduce._claims import save
from nngraph.reproduce.layer_groups import dynamics
from nngraph.reproduce.layer_groups._row_parts import judged_row
from nngraph.reproduce.layer_groups.judgements import Judgement

if TYPE_CHECKING:
    from nngraph.reproduce.ledger import Context, Row

__all__ = ["training"]

PAIRS = {"quick": {"gw": 60, "cka": 300, "rsa": 300}, "full": {"gw": 100, "cka": 1000, "rsa": 1000}}


def training(context: Context) -> list[Row]:
    """Return the row of Figures 6 and 7 on a network that is trained from its start."""
    from nngraph import plot

    sizes = PAIRS[context.scale]
    followed = {measure: dynamics.follow(measure, n=n, folder=context.folder / measure) for measure, n in sizes.items()}
    said = {measure: dynamics.claim(found) for measure, found in followed.items()}
    rho = followed["gw"].correlations().set_index(["control", "score"])["rho"]
    judged = Judgement(
        "the mean distance grows with accuracy and falls with loss, in training from the start",
        "GW grows with F1 and falls with the loss, in fine-tuning",
        dynamics.RULE.replace("\n", " "),
        f"{len(followed['gw'].table)} checkpoints, rank correlations, by control: {said['gw'][1]}",
        said["gw"][0],
    )
    return [
        judged_row(
            "layer-groups-09c",
            "Figures 6, 7",
            judged,
            f"modular sums, Model 0, {sizes['gw']} pairs (stored record of training)",
            interval=(rho["none", "accuracy"], None, None),
            control="time is a common cause: hence the correlations with the step held fixed, and of differences; "
            "other measures by the same rule: " + ", ".join(f"{m} {said[m][0]}" for m in sizes if m != "gw"),
            figure=save(plot.dynamics(followed["gw"]), context.folder / "dynamics.png"),
        )
    ]
