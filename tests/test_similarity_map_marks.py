import logging

import numpy as np
import pandas as pd
import pytest
from clouds_of_points import layers

from nngraph.errors import ArgumentError
from nngraph.similarity import Representations, boundaries, cross, gromov_map, groups, matrix, silhouettes

# --- samples of two networks


def of(samples, order=slice(None)):
    """Representations of samples 0 to 11 by a network, in an order, under their names."""
    reps = layers(n=12, depth=2)
    return Representations({name: x[order] for name, x in reps.items()}, np.asarray(samples)[order])


def test_the_same_samples_in_another_order_are_refused():
    samples = np.arange(12)
    for compared in (gromov_map, lambda *both: cross(*both, "gw")):
        with pytest.raises(ArgumentError, match=r"the same 12 samples in two orders.*reps2\.subset\(ids=reps1\.ids\)"):
            compared(of(samples), of(samples, slice(None, None, -1)))
    found = gromov_map(of(samples), of(samples, slice(None, None, -1)).subset(ids=samples))
    assert found.identity.loc["input", "input"] == found.squared.loc["input", "input"] == 0


def test_other_samples_have_no_identity_neither_as_a_cost_nor_as_a_start(caplog):
    with caplog.at_level(logging.INFO, logger="nngraph"):
        found = gromov_map(of(range(12)), of(range(5, 17)))
    assert found.identity.isna().all(axis=None)
    assert (found.start == "product").all(axis=None)
    assert "'identity' is left out: the samples of the two networks are not the same" in caplog.text
    with pytest.raises(ArgumentError, match=r"starts: got \('identity',\), of which none applies"):
        gromov_map(of(range(12)), of(range(5, 17)), starts="identity")
    starts = ("identity", "product", "midpoint")
    assert gromov_map(of(range(12)), of(range(12)), starts=starts).start.loc["input", "input"] == "identity"
    assert (gromov_map(of(range(12)), of(range(9, 21)), starts=starts).start == "product").all(axis=None)
    table = cross(of(range(12)), of(range(5, 17)), "gw")
    assert table.to_numpy().tolist() == found.squared.to_numpy().tolist()


# --- what a map says of itself


def test_readers_of_maps_take_the_root_of_squares_once_whichever_way_the_map_came():
    reps = layers(n=30, depth=7)
    found = gromov_map(reps)
    expected = groups(pd.DataFrame(found.root.to_numpy(), list(reps), list(reps)), 3)
    for D in (found.squared, found.root, matrix(reps), matrix(reps, root=True)):
        assert groups(D, 3).silhouettes.to_numpy() == pytest.approx(expected.silhouettes.to_numpy(), rel=1e-12)
        steps = boundaries(D)["distance"]
        assert steps.to_numpy() == pytest.approx(np.diag(found.root, 1), rel=1e-12)
        assert silhouettes(D, expected.labels).to_numpy() == pytest.approx(expected.silhouettes.to_numpy(), rel=1e-12)
    assert (found.squared.attrs["squared"], found.root.attrs["squared"]) == (True, False)


def test_a_map_that_was_changed_is_not_believed_but_a_selection_of_its_taps_is():
    reps = layers(n=30, depth=7)
    D = matrix(reps)
    for changed in (D**0.5, D / 2, D.round(2), gromov_map(reps).root ** 2):
        with pytest.raises(ArgumentError, match=r"has other values now.*Pass squared=True"):
            groups(changed, 2)
        assert groups(changed, 2, squared=False).k == 2
    taps = ["layer 5", "layer 2", "layer 3", "layer 1"]
    selected, plain = D.loc[taps, taps], gromov_map(reps).root.loc[taps, taps]
    assert groups(selected, 2).silhouettes.to_numpy() == pytest.approx(groups(plain, 2).silhouettes.to_numpy())
    assert groups(D.T.copy(), 2).labels.equals(groups(D, 2).labels)
    with pytest.raises(ArgumentError, match="squared: got 'x'"):
        groups(D, 2, squared="x")


def test_boundaries_refuse_a_twin_that_is_squared_where_the_map_is_not():
    trained, twin = gromov_map(layers(n=30, depth=7)), gromov_map(layers(n=30, depth=7, seed=1))
    bare = pd.DataFrame(twin.root.to_numpy(), twin.root.index, twin.root.columns)
    for D, null, said in (
        (trained.squared, twin.root, "says that it is not squared, and the map says that it is squared"),
        (trained.squared, bare, "does not say if it is squared, and the map says that it is squared"),
        (bare, trained.root, "says that it is not squared, and the map does not say"),
    ):
        with pytest.raises(ArgumentError, match=f"null 0: {said}.*expected the same of both"):
            boundaries(D, null)
    ratios = [
        boundaries(trained.squared, twin.squared)["ratio"],
        boundaries(trained.root, twin.root)["ratio"],
        boundaries(trained.root, bare, squared=False)["ratio"],
    ]
    assert ratios[0].to_numpy() == pytest.approx(ratios[1].to_numpy(), rel=1e-9)
    assert ratios[2].equals(ratios[1])
