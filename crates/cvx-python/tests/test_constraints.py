"""Constraints on predictions: trends, curvature, sets of columns and a range, with the meanings of scikit-learn."""

import pickle

import numpy as np
import pytest
from cvx_relu import ConvexReLUClassifier, ConvexReLURegressor, load

#: One run at a given beta.
SMALL = {"patterns": 30, "beta_fraction": 3e-3}


@pytest.fixture(scope="module")
def waves():
    """A wave that rises in column 0 on the whole, bends in 1 and falls in 2."""
    random = np.random.RandomState(0)
    X = random.uniform(-1, 1, (150, 3))
    trend = np.tanh(2 * X[:, 0]) + 0.4 * np.sin(5 * X[:, 0])
    return X, trend + 0.6 * np.abs(X[:, 1]) - 0.5 * X[:, 2] + 0.2 * random.standard_normal(150)


def steps(network, column, scale=3.0):
    """Differences of the output along a column, from many places."""
    random = np.random.RandomState(1)
    base = np.repeat(random.uniform(-scale, scale, (40, 1, 3)), 60, axis=1)
    base[:, :, column] = np.sort(random.uniform(-scale, scale, (40, 60)), axis=1)
    output = network.decision_function if isinstance(network, ConvexReLUClassifier) else network.predict
    return np.diff(output(base.reshape(-1, 3)).reshape(40, 60), axis=1)


@pytest.mark.parametrize("given", [[1, 0, -1], (1, 0, -1), np.array([1, 0, -1]), {0: 1, 2: -1}])
def test_trends_hold_to_the_last_bit(waves, given, tmp_path):
    network = ConvexReLURegressor(monotonic_cst=given, **SMALL).fit(*waves)
    assert (steps(network, 0) >= 0).all()
    assert (steps(network, 2) <= 0).all()
    assert network.verify(*waves).constraints_hold
    assert network.verify(*waves).holds
    network.save(tmp_path / "m.cvx")
    for other in (load(tmp_path / "m.cvx"), pickle.loads(pickle.dumps(network))):
        np.testing.assert_array_equal(other.predict(waves[0]), network.predict(waves[0]))
    assert load(tmp_path / "m.cvx").monotonic_cst == [1, 0, -1]
    free = ConvexReLURegressor(**SMALL).fit(*waves)
    assert (steps(free, 0) < 0).any()
    assert free.verify(*waves).constraints_hold is None


def test_names_and_a_choice_of_beta(waves):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(waves[0], columns=["area", "age", "floor"])
    network = ConvexReLURegressor(20, folds=3, ensemble=1, monotonic_cst={"area": 1, "age": 0}).fit(X, waves[1])
    frame = X.copy()
    frame["area"] = np.sort(frame["area"])
    frame[["age", "floor"]] = 0.1
    assert (np.diff(network.predict(frame)) >= 0).all()
    assert network.gates_ is None, "ReLU neurons, which can bend along the column"


def test_convex_additive_and_clipped(waves):
    X, y = waves
    network = ConvexReLURegressor(convexity_cst=[1, 1, 1], **SMALL).fit(X, y)
    a, b = np.random.RandomState(2).uniform(-5, 5, (2, 500, 3))
    chord = 0.5 * (network.predict(a) + network.predict(b))
    assert (network.predict(0.5 * (a + b)) <= chord + 1e-9 * (1 + np.abs(chord))).all()
    for sets in ("no_interactions", [[0], [1], [2]], [{0}, {1}], [{0}, {2}, [1]]):
        network = ConvexReLURegressor(interaction_cst=sets, **SMALL).fit(X, y)
        mixed = a.copy()
        mixed[:, 0] = b[:, 0]
        other = b.copy()
        other[:, 0] = a[:, 0]
        sums = network.predict(a) + network.predict(b) - network.predict(mixed) - network.predict(other)
        assert np.abs(sums).max() < 1e-9 * (1 + np.abs(network.predict(a)).max())
    assert ConvexReLURegressor(interaction_cst="pairwise", **SMALL).fit(X, y).verify(X, y).holds
    free = ConvexReLURegressor(**SMALL).fit(X, y)
    assert free.predict(a).min() < 0
    positive = ConvexReLURegressor(nonnegative=True, **SMALL).fit(X, y)
    assert positive.predict(50 * a).min() >= 0
    assert positive.model_.parameters["nonnegative"]
    assert not free.model_.parameters["nonnegative"]
    assert positive.verify(X, y).holds
    clipped = ConvexReLURegressor(output_range=(-3.0, 3.0), **SMALL).fit(X, y).predict(50 * a)
    assert clipped.min() == -3
    assert clipped.max() == 3


def test_two_classes_and_what_is_refused(waves):
    X, y = waves
    network = ConvexReLUClassifier(monotonic_cst=[1, 0, 0], **SMALL).fit(X, y > 0)
    assert (steps(network, 0) >= 0).all()
    three = np.digitize(y, [-0.3, 0.5])
    with pytest.raises(ValueError, match="several classes"):
        ConvexReLUClassifier(monotonic_cst=[1, 0, 0], **SMALL).fit(X, three)
    ConvexReLUClassifier(interaction_cst="no_interactions", **SMALL).fit(X, three)
    for parameters, message in [
        ({"monotonic_cst": [1, 0]}, "has 2 signs, but X has 3 columns"),
        ({"monotonic_cst": [1, 0, 2]}, "-1, 0 or 1"),
        ({"monotonic_cst": "increasing"}, "a sequence"),
        ({"monotonic_cst": {"height": 1}}, "no column 'height'"),
        ({"interaction_cst": "triples"}, "pairwise"),
        ({"interaction_cst": [0, 1]}, "a sequence of sets"),
        ({"nonnegative": True, "output_bias": True}, "non-negative predictions"),
        ({"nonnegative": None}, "nonnegative is None"),
        ({"output_range": (1.0, 0.0)}, "not an interval"),
        ({"output_range": (0.0, 0.1)}, "a target is"),
    ]:
        with pytest.raises(ValueError, match=message):
            ConvexReLURegressor(**parameters, **SMALL).fit(X, y)
