"""Fixtures."""

import signal

import numpy as np
import pytest
from sklearn.datasets import make_moons


@pytest.fixture(autouse=True)
def interruptible():
    """Ctrl-C raises, also where a shell starts the tests in the background and has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def moons():
    """Two classes in the plane (200 x 2)."""
    return make_moons(200, noise=0.2, random_state=0)


@pytest.fixture
def waves():
    """A smooth function of three numbers (150 x 3)."""
    X = np.random.default_rng(0).normal(size=(150, 3))
    return X, np.sin(X[:, 0]) + 0.5 * np.abs(X[:, 1])


@pytest.fixture
def endless():
    """Samples (1000 x 20) and parameters of a run that takes minutes if nothing stops it."""
    X = np.random.default_rng(0).normal(size=(1000, 20))
    parameters = {"patterns": 100, "beta_fraction": 0.001, "certify": "sampled", "gap": 1e-15, "precision": "f64"}
    return X, X[:, 0] * X[:, 1], parameters
