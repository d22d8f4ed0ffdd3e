import itertools

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
CHAIN = nng.from_matrices(
    [np.array([[1.0, 1.0, -3.0], [1.0, -1.0, 0.0], [-1.0, -1.0, 2.0]]), np.array([[1.0, 1.0, -1.0]])]
)
AXES_LEVEL |= {
    "degrees": lambda **k: nng.plot.degrees(CHAIN, "0", **k),
    "strengths": lambda **k: nng.plot.strengths(CHAIN, "0", **k),
    "weights": lambda **k: nng.plot.weights(CHAIN, "0", **k),
    "in_out": lambda **k: nng.plot.in_out(CHAIN, "1", sign="+", **k),
    "violin": lambda **k: nng.plot.violin({"A": [1.0, 2.0, 4.0], "B": [3.0, 3.0]}, 2.5, **k),
}
TAPS = [f"{block}.{kind}" for block in range(3) for kind in ("resid_pre", "k0", "k1", "z0", "z1")]
PLACES = np.cumsum(np.where(np.arange(15) % 5 == 3, 9.0, 1.0) + 0.1 * np.sin(np.arange(15)))
MAP = pd.DataFrame(abs(np.subtract.outer(PLACES, PLACES)), TAPS, TAPS)
CLOUDS = {name: np.random.default_rng(i).normal(size=(20, 3)) for i, name in enumerate(TAPS)}
AXES_LEVEL |= {
    "layer_map": lambda **k: nng.plot.layer_map(MAP, nng.similarity.groups(MAP, 3), **k),
    "boundaries": lambda **k: nng.plot.boundaries(nng.similarity.boundaries(MAP), **k),
    "plan": lambda **k: nng.plot.plan([1, 0, 3, 2], list("aabb"), **k),
    "distance_histograms": lambda **k: nng.plot.distance_histograms(nng.similarity.distance_histograms(CLOUDS), **k),
}
COLOURS = {"+": "#D55E00", "-": "#0072B2"}
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
        lambda: nng.plot.degrees(CHAIN, "nobody"),
        lambda: nng.plot.degrees(CHAIN, "0", side="both"),
        lambda: nng.plot.degrees(CHAIN, "0", kind="pdf"),
        lambda: nng.plot.degrees(nng.from_matrices([np.zeros((2, 0))]), "0"),
        lambda: nng.plot.strengths(nng.from_matrices([np.zeros((2, 2))]), "0", kind="ccdf"),
        lambda: nng.plot.weights(nng.from_matrices([np.zeros((2, 2))], zeros="keep"), "0"),
        lambda: nng.plot.weights(CHAIN, "0", bins=1),
        lambda: nng.plot.in_out(CHAIN, "0"),
        lambda: nng.plot.in_out(CHAIN, "nobody"),
        lambda: nng.plot.in_out(CHAIN, "1", sign="±"),
        lambda: nng.plot.violin({}, 1.0),
        lambda: nng.plot.violin({"A": []}, 1.0),
        lambda: nng.plot.violin({"A": [1.0, np.nan]}, 1.0),
        lambda: nng.plot.violin({"A": [1.0, 2.0]}, np.nan),
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
    assert "3 of 6 edges\n94 % of strength" in texts


def test_the_captions_of_blocks_do_not_run_into_each_other_in_a_column_of_a_page():
    rng = np.random.default_rng(0)
    ax = nng.plot.network(nng.from_matrices([rng.normal(size=(64, 784)), rng.normal(size=(10, 64))]), top=250)
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts if "% of strength" in text.get_text()]
    assert len(boxes) == 2
    boxes.append(ax.get_legend().get_window_extent())
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


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


def area(ax, label):
    """The area under a histogram, from its outline (shoelace formula)."""
    (outline,) = [patch for patch in ax.patches if patch.get_label() == label]
    x, y = outline.get_xy().T
    return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


@pytest.mark.parametrize("side", ["source", "target"])
def test_signed_degrees_are_shares_of_nodes_beside_binomials_of_the_opposite_size(side):
    from scipy.stats import binom

    W = np.random.default_rng(0).choice([-2.0, 0.0, 1.0], size=(12, 30), p=[0.2, 0.5, 0.3])
    ax = nng.plot.degrees(nng.from_matrices([W]), 0, side=side)
    axis, n_opposite = (0, 12) if side == "source" else (1, 30)
    for sign, present in (("+", W > 0), ("-", W < 0)):
        assert area(ax, f"$k^{sign}$") == pytest.approx(1)
        k = present.sum(axis=axis)
        law = next(one for one in ax.lines if one.get_color() == COLOURS[sign])
        x = law.get_xdata()
        assert set(np.arange(k.min(), k.max() + 1)) <= set(x)
        assert x.max() <= n_opposite
        assert np.allclose(law.get_ydata(), binom.pmf(x, n_opposite, k.mean() / n_opposite))


def test_bars_of_several_degrees_show_their_mean_so_that_they_stand_beside_the_law():
    W = np.random.default_rng(0).normal(size=(60, 2000)) + np.linspace(-1, 1, 60)[:, None]
    ax = nng.plot.degrees(nng.from_matrices([W]), "0", side="target")
    for sign in "+-":
        assert area(ax, f"$k^{sign}$") == pytest.approx(1)
        law = next(one for one in ax.lines if one.get_color() == COLOURS[sign])
        x, y = law.get_data()
        assert x[1] - x[0] > 1
        assert y.sum() * (x[1] - x[0]) == pytest.approx(1, abs=1e-6)


def test_strengths_are_sums_of_magnitudes_at_the_nodes_of_a_side():
    ax = nng.plot.strengths(CHAIN, "0", side="source", kind="ccdf")
    assert line(ax, "$s^+$").get_xdata().tolist() == [1.0, 2.0]
    assert line(ax, "$s^-$").get_xdata().tolist() == [1.0, 2.0, 3.0]
    drawn = nng.plot.strengths(CHAIN, "0", side="source")
    heights = {sign: max(p.get_xy()[:, 1].max() for p in drawn.patches if sign in p.get_label()) for sign in "+-"}
    assert heights == pytest.approx({"+": 2 / 3, "-": 1 / 3})


def test_a_sign_without_an_edge_has_no_place_on_logarithmic_axes_and_stands_at_zero_on_linear_ones():
    G = nng.from_matrices([np.ones((2, 3))])
    assert [text.get_text() for text in nng.plot.degrees(G, "0", kind="ccdf").get_legend().get_texts()] == [
        "$k^+$",
        "binomial",
    ]
    ax = nng.plot.degrees(G, "0")
    x = next(patch for patch in ax.patches if patch.get_label() == "$k^-$").get_xy()
    assert x[x[:, 1] > 0, 0].tolist() == [-0.5, 0.5]


def test_degrees_of_a_block_leave_out_the_other_blocks_of_the_part():
    ax = nng.plot.degrees(CHAIN, "1", side="source", kind="ccdf")
    assert line(ax, "$k^+$ (33 % are 0)").get_xdata().tolist() == [1]


def test_weights_stand_on_the_side_of_their_sign_and_the_legend_has_the_shares():
    W = np.array([[3.0, -1.0, -1.0, 0.0]])
    G = nng.from_matrices([W], masks=[np.ones_like(W, dtype=bool)])
    ax = nng.plot.weights(G, "0", bins=6)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["negative: 50 %", "positive: 25 %"]
    assert ax.get_title(loc="left") == "block 0: 4 edges, 1 of weight 0"
    for sign, count, low, high in (("negative", 2, -2, 0), ("positive", 1, 2, 3)):
        xy = next(patch for patch in ax.patches if patch.get_label().startswith(sign)).get_xy()
        full = xy[xy[:, 1] == count, 0]
        assert (low <= full.min(), full.max() <= high) == (True, True)
        assert xy[:, 1].max() == count


def test_degrees_through_a_part_are_those_of_igraph_and_so_is_their_correlation():
    W = [
        np.random.default_rng(seed).choice([-1.0, 0.0, 1.0], size=shape) for seed, shape in ((0, (20, 9)), (1, (7, 20)))
    ]
    G = nng.from_matrices(W)
    ax = nng.plot.in_out(G, "1")
    g = G.to_igraph()
    hidden = [v.index for v in g.vs if v["part"] == "1"]
    pairs = np.column_stack([g.degree(hidden, mode="in"), g.degree(hidden, mode="out")])
    assert sorted(map(tuple, ax.collections[0].get_offsets().tolist())) == sorted(set(map(tuple, pairs.tolist())))
    assert ax.collections[0].get_sizes().sum() == pytest.approx(9 * 20)
    r = np.corrcoef(pairs.T)[0, 1]
    assert ax.get_legend().get_texts()[0].get_text() == f"$k$: r = {r:.2f}"


def test_the_two_signs_of_a_part_share_axes_and_a_part_without_variation_has_no_correlation():
    ax = nng.plot.in_out(CHAIN, "1", sign="+")
    nng.plot.in_out(CHAIN, "1", sign="-", ax=ax)
    assert [text.get_text()[:6] for text in ax.get_legend().get_texts()] == ["$k^+$:", "$k^-$:"]
    for sign, text in zip("+-", ax.get_legend().get_texts(), strict=True):
        r = nng.stats.in_out_correlation(CHAIN)[sign]
        assert text.get_text().endswith(f"r = {r:.2f}")
    complete = nng.plot.in_out(nng.from_matrices([np.ones((3, 2)), np.ones((2, 3))]), "1")
    assert complete.get_legend().get_texts()[0].get_text() == "$k$: r undefined"


def test_violins_have_the_mean_the_deviation_and_the_z_of_significance():
    draws = {
        kind: [nng.stats.balance(R) for R in nng.nulls.ensemble(SMALL, kind, n=30, rng=7)] for kind in ("A", "G", "B")
    }
    ax = nng.plot.violin(draws, nng.stats.balance(SMALL), label="balance")
    labels = [text.get_text() for text in ax.get_yticklabels()]
    for place, kind in enumerate(("A", "G")):
        row = nng.nulls.significance(SMALL, "balance", kind, n=30, rng=7, by="network").iloc[0]
        assert labels[place] == f"{kind}\nz = {row['z']:.3g}"
        (mean,) = [one for one in ax.lines if one.get_marker() == "o" and one.get_ydata()[0] == place]
        assert mean.get_xdata()[0] == pytest.approx(row["mean"])
        spread = next(bar for bar in ax.containers[place][2]).get_segments()[0][:, 0]
        assert np.ptp(spread) == pytest.approx(2 * row["sd"])
        body = ax.collections[2 * place].get_paths()[0].get_extents()
        assert (body.x0, body.x1) == pytest.approx((min(draws[kind]), max(draws[kind])))
    assert labels[2] == "B\nall draws the same"
    assert line(ax, "graph").get_xdata()[0] == nng.stats.balance(SMALL)


def test_a_map_has_its_distances_a_label_for_each_type_and_lines_between_blocks():
    ax = nng.plot.layer_map(MAP)
    assert np.array_equal(ax.images[0].get_array(), MAP.to_numpy())
    labels = {label.get_text(): label.get_position()[1] for label in ax.get_yticklabels()}
    assert list(labels) == [f"{block}.{kind}" for block in range(3) for kind in ("resid_pre", "k", "z")]
    assert labels["1.k"] == 6.5
    assert [line.get_ydata()[0] for line in ax.lines if line.get_ydata()[0] == line.get_ydata()[1]] == [4.5, 9.5]


@pytest.mark.parametrize("taps", [31, 93, 300])
def test_labels_of_a_map_do_not_overlap(taps):
    names = [f"{i // 31}.{'abcdefghijklmnopqrstuvwxyzABCDE'[i % 31]}" for i in range(taps)]
    ax = nng.plot.layer_map(pd.DataFrame(np.zeros((taps, taps)), names, names))
    ax.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert len(boxes) >= 25
    assert [one for one, other in itertools.pairwise(boxes) if one.y0 < other.y1 - 0.35 * one.height] == []


def test_groups_are_framed_run_by_run_with_their_numbers_and_one_group_is_not():
    labels = pd.Series([0] * 5 + [1] * 4 + [0] * 6, TAPS)
    ax = nng.plot.layer_map(MAP, labels)
    frames = {(patch.get_x(), patch.get_width(), patch.get_height()) for patch in ax.patches}
    assert frames == {(-0.5, 5, 5), (4.5, 4, 4), (8.5, 6, 6)}
    assert [text.get_text() for text in ax.texts] == ["0", "1", "0"]
    assert len(nng.plot.layer_map(MAP, labels * 0).patches) == 0


def test_maps_stand_side_by_side_with_scales_of_their_own():
    figure = Figure()
    assert nng.plot.maps({"GW": MAP, "CKA": MAP / 100, "RSA": MAP}, columns=2, fig=figure) is figure
    drawn = [ax for ax in figure.axes if ax.images and ax.get_title(loc="left")]
    assert [ax.get_title(loc="left") for ax in drawn] == ["GW", "CKA", "RSA"]
    assert [ax.images[0].get_clim()[1] for ax in drawn] == pytest.approx([MAP.max(axis=None) / s for s in (1, 100, 1)])
    assert plt.get_fignums() == []
    for call in (lambda: nng.plot.maps({}), lambda: nng.plot.maps({"GW": MAP}, {"CKA": None})):
        with pytest.raises(ArgumentError, match="a map for each title"):
            call()


def test_filled_points_are_the_boundaries_and_hollow_ones_the_other_peaks():
    places = PLACES.copy()
    places[8:] += 40
    trained = pd.DataFrame(abs(np.subtract.outer(places, places)), TAPS, TAPS)
    shifted = PLACES + 0.05 * np.sin(np.arange(len(PLACES)))
    twin = pd.DataFrame(abs(np.subtract.outer(shifted, shifted)), TAPS, TAPS)
    table = nng.similarity.boundaries(trained, twin)
    assert (table["boundary"].sum(), table["peak"].sum()) == (1, 3)
    ax = nng.plot.boundaries(table)
    x = np.arange(1, 15)
    for label, chosen in (("boundary", table["boundary"]), ("peak", table["peak"] & ~table["boundary"])):
        assert line(ax, label).get_xdata().tolist() == x[chosen].tolist()
        assert line(ax, label).get_ydata().tolist() == table.loc[chosen, "distance"].tolist()
    assert line(ax, "untrained").get_ydata().tolist() == table["null_mean"].tolist()
    assert line(ax, "threshold of peaks").get_ydata()[0] == table.attrs["threshold"]


def test_a_plan_stands_class_by_class_and_what_leaves_its_class_has_another_colour():
    ax = nng.plot.plan([2, 1, 0, 3], ["b", "a", "a", "b"])
    drawn = ax.collections[0]
    points = dict(zip(map(tuple, drawn.get_offsets().tolist()), drawn.get_facecolor().tolist(), strict=True))
    assert set(points) == {(0, 0), (2, 1), (1, 2), (3, 3)}
    assert points[0, 0] == points[3, 3] != points[2, 1] == points[1, 2]
    assert ax.get_title(loc="left") == "50 % to the same class (by chance 50 %)"
    assert nng.plot.plan(np.arange(177), np.arange(177) % 20).lines
    assert not nng.plot.plan(np.arange(177), np.arange(177) % 59).lines  # they would be most of what is seen
    assert nng.plot.plan([0, 1, 3, 2]).get_title(loc="left") == "50 % stay with their own sample"
    weights = nng.plot.plan(np.array([[0.5, 0.0, 0.125], [0.0, 0.25, 0.125]])).collections[0]
    assert (weights.get_sizes() / weights.get_sizes().max()).tolist() == [1, 0.25, 0.5, 0.25]


def test_histograms_of_distances_are_drawn_on_their_bins():
    table = nng.similarity.distance_histograms(CLOUDS, bins=7)
    mesh = nng.plot.distance_histograms(table).collections[0]
    assert np.array_equal(mesh.get_array(), table.to_numpy())
    assert mesh.get_coordinates()[:, 0, 1].tolist() == [0.0, *table.index.right]


def test_pictures_of_layers_say_in_a_sentence_what_is_wrong():
    for call, message in (
        (lambda: nng.plot.layer_map(MAP.to_numpy()), "expected a DataFrame"),
        (lambda: nng.plot.layer_map(MAP.iloc[:0]), "empty"),
        (lambda: nng.plot.layer_map(MAP, {"0.k0": 0}), "no group for the tap '0.resid_pre'"),
        (lambda: nng.plot.layer_map(MAP.iloc[:4], {}), "between two models"),
        (lambda: nng.plot.boundaries(MAP), "expected the table of"),
        (lambda: nng.plot.distance_histograms(MAP), "expected the table of"),
        (lambda: nng.plot.plan([0, 0]), "no permutation"),
        (lambda: nng.plot.plan([1, 0], ["a"]), "1 and 1 labels"),
        (lambda: nng.plot.plan([1, 0], "ab"), "a sequence"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()
