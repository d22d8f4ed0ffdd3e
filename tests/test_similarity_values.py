"""The numbers of each measure beside an independent implementation, a brute force or a closed form."""

import itertools

import networkx as nx
import numpy as np
import pytest
import scipy.linalg
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist, squareform
from scipy.stats import spearmanr
from sklearn.metrics import normalized_mutual_info_score

from nngraph.errors import ConvergenceError
from nngraph.similarity import _couplings as couplings
from nngraph.similarity import compare


def pair(n=30, d=4, e=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 1
    return x, np.tanh(x @ rng.normal(size=(d, e))) + 0.5 * rng.normal(size=(n, e))


def centred(x):
    return x - x.mean(0)


# ---------------------------------------------------------------------- entry by entry


def test_euclidean_and_cosine_are_means_over_samples():
    x, y = pair(e=4)
    assert compare(x, y, "euclidean") == pytest.approx(
        np.mean([np.linalg.norm(a - b) for a, b in zip(x, y, strict=True)])
    )
    assert compare(x, y, "cosine") == pytest.approx(np.mean(np.diag(cdist(x, y, "cosine"))))


def test_cosine_survives_the_largest_and_the_smallest_numbers():
    x, y = pair(e=4)
    assert compare(1e50 * x, 1e-50 * y, "cosine") == pytest.approx(compare(x, y, "cosine"))


def test_mutual_information_of_few_classes_is_that_of_their_table():
    table = np.array([[30, 10, 0], [5, 20, 15], [0, 4, 36]])  # both margins fall on quantiles of three classes
    x, y = (np.repeat(side.ravel(), table.ravel()).astype(float)[:, None] for side in np.indices(table.shape))
    p = table / table.sum()
    rows, columns = p.sum(1, keepdims=True), p.sum(0, keepdims=True)
    information = (p * np.log(np.where(p > 0, p, 1) / (rows * columns), where=p > 0, out=np.zeros_like(p))).sum()
    entropies = [-(q * np.log(q)).sum() for q in (rows, columns)]
    found = compare(x, y, "mutual_information", bins=12)
    assert found == pytest.approx(information / np.sqrt(np.prod(entropies)))
    assert found == pytest.approx(normalized_mutual_info_score(x[:, 0], y[:, 0], average_method="geometric"))


def test_mutual_information_of_gaussians_comes_near_the_closed_form_from_below():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 100_000, 2))
    for rho in (0.3, 0.8):
        y = rho * x + np.sqrt(1 - rho**2) * noise
        nats = [compare(x, y, "mutual_information", bins=bins) * np.log(bins) for bins in (4, 8, 32)]
        assert nats == sorted(nats)
        assert nats[-1] == pytest.approx(-0.5 * np.log(1 - rho**2), rel=0.05)
    assert compare(x, noise, "mutual_information") < 1e-3


# ---------------------------------------------------------------------- pairs of samples


def test_the_difference_of_distances_is_the_norm_of_the_condensed_vector_and_not_of_a_matrix():
    x, y = pair()
    difference = pdist(x) - pdist(y)
    assert compare(x, y, "rsm") == pytest.approx(np.sqrt((difference**2).sum()))
    square = squareform(difference)
    assert compare(x, y, "rsm") == pytest.approx(np.linalg.norm(square) / np.sqrt(2))
    assert compare(x, y, "rsm") != pytest.approx(np.linalg.norm(square, 2), rel=0.1)


def test_rsa_is_the_rank_correlation_of_correlations():
    x, y = pair()
    assert compare(x, y, "rsa") == pytest.approx(spearmanr(pdist(x, "correlation"), pdist(y, "correlation"))[0])
    repeated = np.repeat(x[:10], 3, axis=0)  # ties
    D, E = (np.round(pdist(z, "correlation"), 12) for z in (repeated, y))
    assert compare(repeated, y, "rsa") == pytest.approx(spearmanr(D, E)[0])


def test_rsa_agrees_with_rsatoolbox():
    rsatoolbox = pytest.importorskip("rsatoolbox", reason="rsatoolbox is not installed here")
    x, y = pair()
    one, two = (rsatoolbox.rdm.calc_rdm(rsatoolbox.data.Dataset(z), method="correlation") for z in (x, y))
    assert compare(x, y, "rsa") == pytest.approx(float(np.squeeze(rsatoolbox.rdm.compare(one, two, method="spearman"))))


def kernels(x, y, kernel):
    if kernel == "linear":
        return x @ x.T, y @ y.T
    D, E = squareform(pdist(x)), squareform(pdist(y))
    return np.exp(-(D**2) / (2 * np.median(pdist(x)) ** 2)), np.exp(-(E**2) / (2 * np.median(pdist(y)) ** 2))


def u_statistic(K, L):
    """HSIC as the mean over all ordered choices of four different samples."""
    terms = [K[i, j] * (L[i, j] + L[q, r] - 2 * L[i, q]) for i, j, q, r in itertools.permutations(range(len(K)), 4)]
    return np.mean(terms)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_debiased_alignment_is_the_ratio_of_u_statistics(kernel):
    for seed in range(3):
        x, y = pair(6, seed=seed)
        K, L = kernels(x, y, kernel)
        expected = u_statistic(K, L) / np.sqrt(u_statistic(K, K) * u_statistic(L, L))
        assert compare(x, y, "cka", kernel=kernel) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_biased_alignment_is_the_ratio_of_traces(kernel):
    x, y = pair()
    K, L = kernels(x, y, kernel)
    H = np.eye(30) - 1 / 30
    traces = [np.trace(A @ H @ B @ H) for A, B in ((K, L), (K, K), (L, L))]
    found = compare(x, y, "cka", kernel=kernel, biased=True)
    assert found == pytest.approx(traces[0] / np.sqrt(traces[1] * traces[2]))
    if kernel == "linear":
        x, y = centred(x), centred(y)
        norms = [np.linalg.norm(A) for A in (y.T @ x, x.T @ x, y.T @ y)]
        assert found == pytest.approx(norms[0] ** 2 / (norms[1] * norms[2]))


def test_unrelated_clouds_score_nothing_unless_biased():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 600)), rng.normal(size=(200, 150))
    assert abs(compare(x, y, "cka")) < 0.03
    assert compare(x, y, "cka", biased=True) > 0.5


@pytest.mark.parametrize("biased", [False, True])
def test_alignment_agrees_with_ckatorch(biased):
    core = pytest.importorskip("ckatorch.core", reason="ckatorch is not installed here")
    import torch

    x, y = pair()
    expected = float(core.cka_base(torch.tensor(x), torch.tensor(y), unbiased=not biased))
    assert compare(x, y, "cka", biased=biased) == pytest.approx(expected, abs=1e-12)


def test_alignment_agrees_with_pytorch_cka():
    cka = pytest.importorskip("cka", reason="pytorch-cka is not installed here")
    import torch

    x, y = pair()
    expected = float(cka.cka_from_features(torch.tensor(x), torch.tensor(y)))
    assert compare(x, y, "cka") == pytest.approx(expected, abs=1e-12)


# ---------------------------------------------------------------------- subspaces


def correlations(x, y):
    """Canonical correlations by the generalised eigenproblem, and the variates of x."""
    x, y = centred(x), centred(y)
    Sxx, Syy, Sxy = x.T @ x, y.T @ y, x.T @ y
    squares, A = scipy.linalg.eigh(Sxy @ np.linalg.solve(Syy, Sxy.T), Sxx)
    return np.sqrt(np.clip(squares[::-1], 0, None)), (x @ A)[:, ::-1]


@pytest.mark.parametrize("widths", [(4, 3), (3, 4), (4, 4), (1, 2)])
def test_cca_is_the_mean_root_of_the_generalised_eigenvalues(widths):
    x, y = pair(d=widths[0], e=widths[1])
    assert compare(x, y, "cca") == pytest.approx(correlations(x, y)[0][: min(widths)].mean())


def test_dependent_columns_count_once():
    x, y = pair()
    double = np.hstack([x, x @ np.ones((4, 2))])
    assert compare(double, y, "cca") == pytest.approx(compare(x, y, "cca"))
    assert compare(double, y[:, :1], "cca") == pytest.approx(compare(x, y[:, :1], "cca"))


def test_rounding_errors_of_single_precision_are_no_dimensions():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(2, 300, 5)).astype(np.float32)
    wide = z @ rng.normal(size=(5, 64)).astype(np.float32) + np.float32(3)
    assert np.linalg.matrix_rank(wide.astype(np.float64) - wide.mean(0, dtype=np.float64)) > 5
    assert compare(wide, y, "cca") == pytest.approx(compare(z, y, "cca"), rel=1e-4)


def principal(x, share):
    x = centred(x)
    values, vectors = np.linalg.eigh(x.T @ x)
    for k in range(1, x.shape[1] + 1):
        if values[::-1][:k].sum() >= share * values.sum() * (1 - 1e-12):
            return x @ vectors[:, ::-1][:, :k]
    raise AssertionError


@pytest.mark.parametrize("share", [0.7, 0.9, 0.99, 1.0])
def test_svcca_is_cca_of_the_leading_components(share):
    x, y = pair()
    a, b = principal(x, share), principal(y, share)
    expected = correlations(a, b)[0][: min(a.shape[1], b.shape[1])].mean()
    assert compare(x, y, "svcca", variance=share) == pytest.approx(expected)


@pytest.mark.parametrize("widths", [(4, 3), (3, 4), (4, 4)])
def test_pwcca_weights_each_correlation_by_the_inner_products_of_its_variate(widths):
    x, y = pair(d=widths[0], e=widths[1])
    rho, variates = correlations(x, y)
    top = bottom = 0.0
    for k in range(min(widths)):
        h = variates[:, k] / np.linalg.norm(variates[:, k])
        weight = sum(abs(h @ column) for column in centred(x).T)
        top, bottom = top + weight * rho[k], bottom + weight
    assert compare(x, y, "pwcca") == pytest.approx(top / bottom)


def test_procrustes_is_what_the_best_rotation_leaves():
    x, y = pair()
    x, y = (centred(z) / np.linalg.norm(centred(z)) for z in (x, y))
    wide = np.hstack([y, np.zeros((30, 1))])
    Q, _ = scipy.linalg.orthogonal_procrustes(x, wide)
    assert compare(*pair(), "procrustes") == pytest.approx(np.linalg.norm(x @ Q - wide))


def test_procrustes_of_raw_clouds_is_the_least_over_all_rotations_of_the_plane():
    x, y = pair(10, 2, 2)
    angles = np.linspace(0, 2 * np.pi, 20_001)
    turned = np.array([[np.cos(angles), np.sin(angles)], [-np.sin(angles), np.cos(angles)]])
    residuals = [
        np.linalg.norm(np.einsum("ij,jka->aik", x * flip, turned) - y, axis=(1, 2)).min() for flip in ([1, 1], [1, -1])
    ]
    assert compare(x, y, "procrustes", center=False, normalize=False) == pytest.approx(min(residuals), abs=1e-6)


def test_procrustes_of_more_dimensions_than_samples_and_of_turned_clouds():
    x, y = pair(8, 20, 15)
    a, b = (centred(z) / np.linalg.norm(centred(z)) for z in (x, y))
    nuclear = np.linalg.svd(a.T @ b, compute_uv=False).sum()
    assert compare(x, y, "procrustes") == pytest.approx(np.sqrt(2 - 2 * nuclear))
    Q = np.linalg.qr(np.random.default_rng(1).normal(size=(20, 20)))[0]
    assert compare(x, 3 * x @ Q + 1, "procrustes") < 1e-13


@pytest.mark.parametrize("name", ["cca", "procrustes"])
def test_small_singular_values_do_not_lose_digits(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    y = np.hstack([x[:, :1], 1e-6 * x[:, 1:2] + rng.normal(size=(60, 1)), rng.normal(size=(60, 3))])
    y[:, 2:] -= x @ np.linalg.lstsq(x, y[:, 2:], rcond=None)[0]  # correlations of exactly 0
    Q = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    assert compare(x, y, name) == pytest.approx(compare(x @ Q, y[:, ::-1] @ Q, name), rel=1e-12)
    if name == "cca":
        assert compare(x, y, name) == pytest.approx(correlations(x, y)[0].mean(), abs=1e-8)


# ---------------------------------------------------------------------- heat traces


def laplacian(x, k):
    """The normalised Laplacian by networkx of the graph of k nearest neighbours."""
    D = squareform(pdist(x))
    edges = [(i, j) for i in range(len(x)) for j in np.argsort(D[i])[1 : k + 1]]
    return nx.normalized_laplacian_matrix(nx.Graph(edges), nodelist=range(len(x))).toarray()


def test_msid_is_the_largest_weighted_difference_of_traces_of_matrix_exponentials():
    (x, _), (y, _) = pair(20), pair(26, seed=1)
    L, M = laplacian(x, 5), laplacian(y, 5)
    differences = [
        np.exp(-2 * (t + 1 / t))
        * abs(np.trace(scipy.linalg.expm(-t * L)) / 20 - np.trace(scipy.linalg.expm(-t * M)) / 26)
        for t in np.geomspace(0.1, 10, 256)
    ]
    assert compare(x, y, "msid") == pytest.approx(1e6 * max(differences), rel=1e-9)


def test_msid_by_probes_comes_near_the_exact_one_and_nearer_with_more():
    (x, _), (y, _) = pair(150), pair(150, d=2, seed=1)
    exact = compare(x, y, "msid")
    few, many = (
        np.mean([abs(compare(x, y, "msid", stochastic=True, probes=probes, rng=seed) - exact) for seed in range(6)])
        for probes in (4, 100)
    )
    assert many < 0.1 * exact
    assert many < 0.5 * few
    assert compare(x, y, "msid", stochastic=True, rng=1) == compare(x, y, "msid", stochastic=True, rng=1)
    assert compare(x, y, "msid", stochastic=True, rng=1) != compare(x, y, "msid", stochastic=True, rng=2)


# ---------------------------------------------------------------------- couplings


@pytest.mark.parametrize("power", [1, 2])
def test_wasserstein_is_the_cheapest_permutation(power):
    x, y = pair(6, 3, 3)
    cost = cdist(x, y) ** power
    every = [np.mean([cost[i, j] for i, j in enumerate(order)]) for order in itertools.permutations(range(6))]
    assert compare(x, y, "wasserstein", power=power) == pytest.approx(min(every))
    x, y = pair(40, 3, 3)
    cost = cdist(x, y) ** power
    assert compare(x, y, "wasserstein", power=power) == pytest.approx(cost[linear_sum_assignment(cost)].mean())


def test_wasserstein_of_four_and_six_samples_is_that_of_twelve_copies():
    x, y = pair(6, 3, 3)
    cost = np.repeat(np.repeat(cdist(x[:4], y), 3, axis=0), 2, axis=1)
    assert compare(x[:4], y, "wasserstein") == pytest.approx(cost[linear_sum_assignment(cost)].mean())


@pytest.mark.parametrize("unit", [1e-9, 1e-7, 1e7])
@pytest.mark.parametrize(
    ("measure", "options", "power"),
    [("wasserstein", {}, 1), ("wasserstein", {"power": 2}, 2), ("agw", {"normalize": "none"}, 2)],
)
def test_values_that_are_not_normalised_go_with_a_power_of_the_units(measure, options, power, unit):
    x, y = pair(40, 3, 3)
    expected = unit**power * compare(x, y, measure, **options)
    assert compare(unit * x, unit * y, measure, **options) == pytest.approx(expected, rel=1e-9)


def test_the_order_of_samples_that_two_networks_share_is_a_start_of_agw():
    x = pair(60, 4)[0]
    near = x + 1e-3 * pair(60, 4, seed=1)[0]
    for alpha in (0.0, 0.5, 1.0):
        assert compare(x, x, "agw", alpha=alpha) == pytest.approx(0, abs=1e-9)
        assert compare(x, near, "agw", alpha=alpha) < 1e-5


def test_negative_costs_are_coupled_as_well_as_the_same_costs_above_zero():
    cost = np.random.default_rng(0).uniform(-2, -1, (7, 7))
    plan = couplings.coupling(cost)
    np.testing.assert_allclose(plan.sum(0), 1 / 7)
    assert (plan * cost).sum() == pytest.approx(cost[linear_sum_assignment(cost)].mean())


def test_a_linear_program_that_stops_early_is_an_error(monkeypatch):
    import ot

    monkeypatch.setattr(ot, "emd", lambda p, q, M, **_: (np.zeros(M.shape), {"warning": "infeasible"}))
    with pytest.raises(ConvergenceError, match="infeasible"):
        couplings.coupling(np.ones((3, 3)))


def augmented(x, y, T, S, alpha):
    """The objective by its definition."""
    D, E = squareform(pdist(x)), squareform(pdist(y))
    D, E, x, y = D / D.mean(), E / E.mean(), x / D.mean(), y / E.mean()
    distortion = np.einsum("ikjl,ij,kl->", (D[:, :, None, None] - E) ** 2, T, T)
    entries = np.einsum("iajb,ij,ab->", (x[:, :, None, None] - y) ** 2, T, S)
    return alpha * distortion + (1 - alpha) * entries


def plans(n):
    return [np.eye(n)[list(order)] / n for order in itertools.permutations(range(n))]


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_agw_is_an_upper_bound_of_the_least_over_all_permutations(alpha):
    found, least = [], []
    for seed in (0, 4, 5, 9):
        x, y = pair(5, 3, 3, seed)
        least.append(min(augmented(x, y, T, S, alpha) for T in plans(5) for S in plans(3)))
        found.append(compare(x, y, "agw", alpha=alpha))
    assert (np.array(found) >= np.array(least) - 1e-12).all()


def test_agw_that_looks_at_distances_only_is_gw_from_the_better_of_two_starts():
    import ot

    for seed in range(5):
        x, y = pair(15, seed=seed)
        D, E = (squareform(pdist(z)) for z in (x, y))
        expected = min(
            float(ot.gromov_wasserstein2(D / D.mean(), E / E.mean(), ot.unif(15), ot.unif(15), G0=G0))
            for G0 in (None, np.eye(15) / 15)
        )
        assert compare(x, y, "agw", alpha=1.0) == pytest.approx(expected, rel=1e-9)


def test_agw_that_looks_at_features_only_is_no_more_than_co_optimal_transport_from_product_couplings():
    from ot.coot import co_optimal_transport2

    for seed in range(8):
        x, y = pair(12, 4, 3, seed=seed)
        expected = co_optimal_transport2(*(z / squareform(pdist(z)).mean() for z in (x, y)))
        assert compare(x, y, "agw", alpha=0.0) <= float(expected) * (1 + 1e-9)


def test_rounds_of_agw_never_make_it_worse():
    for seed in range(5):
        x, y = pair(20, seed=seed)
        values = [compare(x, y, "agw", rounds=rounds) for rounds in (1, 2, 5, 10)]
        assert values == sorted(values, reverse=True)
