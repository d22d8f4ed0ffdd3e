"""Numbers to tap, and the comparison of representations with what is expected of them."""

import numpy as np


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def check(reps, expected):
    assert list(reps) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(reps[name], np.reshape(values, (len(values), -1)), atol=1e-12, err_msg=name)
