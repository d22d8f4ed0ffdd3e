import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from study_tables import FLIPPED, NOISE, PRUNED, made_up_table

import nngraph as nng
from nngraph.errors import ArgumentError

TABLE = made_up_table()
SMALL = nng.from_matrices([np.outer([1.0, -1.0, 1.0, 1.0], [1.0, 1.0, -1.0, 2.0, -3.0])])
AXES_LEVEL = {
    "perturbation": lambda **k: nng.plot.perturbation(TABLE, "hard one", "noise", **k),
    "randomization": lambda **k: nng.plot.randomization(TABLE, "hard one", **k),
    "pruned_randomization": lambda **k: nng.plot.pruned_randomization(TABLE, "hard one", **k),
    "network": lambda **k: nng.plot.network(nng.from_matrices([np.array([[1.0, -2.0], [0.5, 0.5]])]), **k),
}
AXES_LEVEL |= {
    "mixing": lambda **k: nng.plot.mixing(nng.nulls.mixing(SMALL, rng=0), **k),
    "ladder": lambda **k: nng.plot.ladder(nng.nulls.ladder(SMALL, "balance", ["A", "B"], n=20, rng=0), **k),
}
FIGURE_LEVEL = {
    "perturbations": nng.plot.perturbations,
    "randomizations": nng.plot.randomizations,
    "pruned_randomizations": nng.plot.pruned_randomizations,
}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def line(ax, label):
    found = [artist for artist in ax.lines if artist.get_label() == label]
    assert len(found) == 1, label
    return found[0]


@pytest.mark.parametrize("name", AXES_LEVEL)
def test_the_axes_given_are_the_axes_returned_and_no_figure_is_made(name):
    ax = Figure().subplots()
    assert AXES_LEVEL[name](ax=ax) is ax
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", AXES_LEVEL)
def test_without_axes_one_figure_is_made(name):
    AXES_LEVEL[name]()
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("name", FIGURE_LEVEL)
def test_the_figure_given_is_the_figure_returned(name):
    figure = Figure()
    assert FIGURE_LEVEL[name](TABLE, fig=figure) is figure
    assert plt.get_fignums() == []
    assert len(figure.axes) == (6 if name == "perturbations" else 2)


@pytest.mark.parametrize("draw", [*AXES_LEVEL.values(), *(lambda f=f: f(TABLE) for f in FIGURE_LEVEL.values())])
def test_no_setting_of_matplotlib_changes(draw):
    before = dict(mpl.rcParams)
    draw()
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(("operation", "grid"), [("prune", PRUNED), ("noise", NOISE), ("flip", FLIPPED)])
def test_curves_are_the_medians_of_the_table_in_percent(operation, grid):
    ax = nng.plot.perturbation(TABLE, "hard one", operation)
    for form in ("full", "signed"):
        rows = TABLE[
            TABLE["task"].eq("hard one")
            & TABLE["operation"].eq(operation)
            & TABLE["form"].eq(form)
            & TABLE["null"].eq("")
            & TABLE["metric"].eq("accuracy")
        ]
        drawn = line(ax, form)
        assert np.allclose(drawn.get_xdata(), grid)
        assert np.allclose(drawn.get_ydata(), 100 * rows.groupby("parameter")["value"].median())
    assert line(ax, "chance").get_ydata()[0] == 50


def test_the_noise_panel_alone_is_logarithmic_and_marks_sigma():
    ax = nng.plot.perturbation(TABLE, "easy one", "noise")
    assert ax.get_xscale() == "log"
    assert line(ax, r"$\sigma(w)$").get_xdata()[0] == 0.06
    assert nng.plot.perturbation(TABLE, "easy one", "flip").get_xscale() == "linear"


def test_bands_run_from_the_lower_to_the_upper_quartile():
    ax = nng.plot.perturbation(TABLE, "hard one", "prune")
    low, high = ax.collections[0].get_paths()[0].get_extents().intervaly
    assert (low, high) == pytest.approx((60 - 0.05, 98 + 0.05))


def test_folding_draws_no_accuracy_below_a_half_and_says_so():
    table = TABLE.copy()
    table.loc[table["metric"].eq("accuracy"), "value"] = 0.3
    ax = nng.plot.perturbation(table, "hard one", "prune", fold=True)
    assert set(line(ax, "signed").get_ydata().round(6)) == {70.0}
    assert "folded" in ax.get_ylabel()
    raw = nng.plot.perturbation(table, "hard one", "prune")
    assert set(line(raw, "signed").get_ydata().round(6)) == {30.0}
    assert raw.get_ylim()[0] < 30
    assert "folded" not in raw.get_ylabel()


def test_null_models_stand_in_the_order_of_the_table_coloured_by_whether_they_keep_signs():
    ax = nng.plot.randomization(TABLE, "hard one")
    assert [label.get_text() for label in ax.get_xticklabels()] == list("ABCDEFG")
    colours = [tuple(container[0].get_markeredgecolor()) for container in ax.containers]
    kept = [colours[i] for i in (1, 4, 5)]
    moved = [colours[i] for i in (0, 2, 3, 6)]
    assert len(set(kept)) == len(set(moved)) == 1
    assert kept[0] != moved[0]
    assert [container[0].get_ydata()[0] for container in ax.containers] == pytest.approx([50, 75, 50, 50, 75, 75, 50])


def test_every_draw_is_a_point():
    ax = nng.plot.randomization(TABLE, "hard one")
    points = np.concatenate(
        [collection.get_offsets() for collection in ax.collections if len(collection.get_offsets()) == 3]
    )
    assert len(points) == 7 * 3


def test_a_null_model_of_the_users_own_can_be_drawn():
    table = TABLE.copy()
    table["null"] = table["null"].replace({"B": "mine"})
    assert "mine" in [label.get_text() for label in nng.plot.randomization(table, "easy one").get_xticklabels()]


def test_panels_share_limits_that_hold_every_point():
    table = TABLE.copy()
    table.loc[table["task"].eq("easy one") & table["null"].eq("A") & table["metric"].eq("accuracy"), "value"] = 0.1
    figure = nng.plot.randomizations(table)
    assert {ax.get_ylim()[0] for ax in figure.axes} == {figure.axes[0].get_ylim()[0]}
    assert figure.axes[0].get_ylim()[0] < 10


def test_the_figures_of_a_study_show_its_easy_and_hard_task_or_the_first_four(caplog):
    assert [len(figure.axes) for figure in nng.plot.study_figures(TABLE).values()] == [6, 2, 2]
    assert plt.get_fignums() == []
    many = pd.concat([TABLE.assign(task=f"{i} " + TABLE["task"]) for i in range(3)])
    assert [len(figure.axes) for figure in nng.plot.study_figures(many).values()] == [12, 4, 4]
    assert "show 4 of 6 tasks" in caplog.text


def test_figures_without_rows_are_not_drawn():
    assert list(nng.plot.study_figures(TABLE[TABLE["null"] == ""])) == ["perturbations"]
    assert list(nng.plot.study_figures(TABLE[TABLE["operation"] == "none"])) == ["randomizations"]
    assert nng.plot.study_figures(TABLE[TABLE["metric"] != "accuracy"]) == {}


def test_what_failed_for_one_task_leaves_the_figures_of_the_rest():
    hard = TABLE["task"] == "hard one"
    for lost in (
        TABLE["null"] != "",
        (TABLE["null"] != "") & (TABLE["operation"] == "none"),
        (TABLE["null"] == "B") & (TABLE["operation"] == "prune"),
        TABLE["operation"] == "noise",
        TABLE["operation"] != "none",
    ):
        names = nng.plot.study_figures(TABLE[~(hard & lost)])
        assert list(names) == ["perturbations", "randomizations", "pruned_randomizations"]
        assert list(nng.plot.study_figures(TABLE.assign(status=np.where(hard & lost, "failed: x", "ok")))) == list(
            names
        )
    assert "no values" in [text.get_text() for text in names["perturbations"].axes[3].texts]


def test_panels_hold_bands_chance_and_the_lines_of_the_networks():
    low = TABLE.copy()
    at = (
        low["task"].eq("easy one")
        & low["metric"].eq("accuracy")
        & low["null"].eq("")
        & low["operation"].isin(["prune", "none"])
    )
    low.loc[at, "value"] = np.where(low.loc[at, "seed"].eq(0), 0.02, 0.5)
    assert nng.plot.perturbation(low, "easy one", "prune").get_ylim()[0] < 26  # the lower quartile
    low.loc[at, "value"] = 0.2
    low.loc[low["metric"] == "chance", "value"] = 0.1
    assert nng.plot.randomization(low, "easy one").get_ylim()[0] < 10
    assert nng.plot.perturbation(low, "easy one", "noise").get_ylim()[0] < 10


@pytest.mark.parametrize(
    "draw",
    [
        lambda: nng.plot.perturbation(TABLE, "nobody", "prune"),
        lambda: nng.plot.perturbation(TABLE, "easy one", "melt"),
        lambda: nng.plot.perturbation(TABLE, "easy one", "prune", metric="r2"),
        lambda: nng.plot.perturbations(TABLE, ["nobody"]),
        lambda: nng.plot.perturbations(TABLE[TABLE["operation"] == "none"]),
        lambda: nng.plot.randomizations(TABLE[TABLE["null"] == ""]),
        lambda: nng.plot.network(nng.from_matrices([np.ones((2, 2))]), top=0),
        lambda: nng.plot.network(nng.from_matrices([np.ones((2, 2))]), grids={"0": (3, 3)}),
    ],
)
def test_what_cannot_be_drawn_is_an_error_in_words(draw):
    with pytest.raises(ArgumentError):
        draw()


def test_a_network_is_drawn_with_its_strongest_edges_red_above_zero_and_blue_below():
    G = nng.from_matrices([np.array([[3.0, -2.0, 0.1], [0.2, 0.3, -4.0]])])
    ax = nng.plot.network(G, top=3)
    edges = next(collection for collection in ax.collections if isinstance(collection, LineCollection))
    assert len(edges.get_segments()) == 3
    red, _, blue, _ = edges.to_rgba(edges.get_array()).T
    positive = edges.get_array() > 0
    assert sorted(positive) == [False, False, True]
    assert (red > blue)[positive].all()
    assert (blue > red)[~positive].all()
    texts = [text.get_text() for text in ax.texts]
    assert "3 of 6 edges, 94 % of strength" in texts


def test_edges_join_the_nodes_of_their_ends():
    G = nng.from_matrices([np.array([[1.0, 0.0], [0.0, 0.0]])])
    ax = nng.plot.network(G)
    edges = next(collection for collection in ax.collections if isinstance(collection, LineCollection))
    (start, end) = edges.get_segments()[0]
    assert start[0] < end[0]  # from left to right
    assert start[1] == end[1] > 0  # node 0 is the upper one


@pytest.mark.parametrize("shape", [(3, 0), (0, 3), (1, 1)])
def test_networks_without_edges_or_nodes_can_be_drawn(shape):
    ax = nng.plot.network(nng.from_matrices([np.ones(shape)]))
    ax.figure.draw_without_rendering()
    assert sum(len(c.get_segments()) for c in ax.collections if isinstance(c, LineCollection)) == np.prod(shape)


def test_a_part_can_be_drawn_as_a_tilted_image():
    G = nng.from_matrices([np.ones((2, 6))])
    nodes = nng.plot.network(G, grids={"0": (2, 3)}).collections
    places = np.concatenate([c.get_offsets() for c in nodes if len(c.get_offsets()) == 6])
    assert len(np.unique(places[:, 0].round(6))) == 3


def test_a_graph_of_one_sign_needs_no_legend_and_a_signed_one_says_which_is_which():
    assert nng.plot.network(nng.from_matrices([np.ones((2, 3))])).get_legend() is None
    legend = nng.plot.network(SMALL).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["positive", "negative"]


def test_edges_of_equal_weight_are_thinner_than_the_strongest_of_unequal_ones():
    def widths(matrix):
        ax = nng.plot.network(nng.from_matrices([matrix]))
        return next(c for c in ax.collections if isinstance(c, LineCollection)).get_linewidths()

    assert max(widths(np.ones((2, 3)))) < max(widths(np.array([[1.0, 2.0]])))


@pytest.mark.parametrize(("n", "shown"), [(40, True), (41, False)])
def test_the_names_of_the_nodes_of_outer_parts_stand_beside_them_where_there_is_room(n, shown):
    import networkx as nx

    N = nx.Graph()
    N.add_nodes_from([f"person {i}" for i in range(n)], bipartite=0)
    N.add_node("club", bipartite=1)
    N.add_edges_from((f"person {i}", "club") for i in range(n))
    texts = {text.get_text(): text for text in nng.plot.network(nng.from_networkx(N)).texts}
    assert ("person 0" in texts) == shown
    assert texts["club"].get_horizontalalignment() == "left"
    if shown:
        assert texts["person 0"].get_horizontalalignment() == "right"


def test_a_ladder_of_many_rungs_is_taller_and_names_its_policies_in_a_second_line():
    rungs = ["A", "G/sign", "G/exact_strength", "B"]
    table = nng.nulls.ladder(SMALL, "balance", rungs, n=10, rng=0)
    few, many = (nng.plot.ladder(rows) for rows in (table[table["rung"] < 1], table))
    assert [label.get_text() for label in many.get_yticklabels()] == ["A", "G\nsign", "G\nexact_strength", "B"]
    assert many.figure.get_figheight() > few.figure.get_figheight()
