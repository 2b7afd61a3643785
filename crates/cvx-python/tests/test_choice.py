"""Networks whose beta `fit` chooses: the table of betas, probabilities, intervals, and what holds for every network."""

import copy
import pickle
import time

import numpy as np
import pytest
from cvx_relu import ConvexReLUClassifier, ConvexReLURegressor, load
from sklearn.datasets import make_blobs, make_friedman1, make_moons
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import accuracy_score, log_loss
from sklearn.utils.extmath import softmax

#: Enough where only the mechanics matter.
SMALL = {"patterns": 20, "folds": 3, "ensemble": 1}


@pytest.fixture(scope="module")
def overlapping():
    """Two classes that overlap, as training and test samples."""
    X, y = make_moons(600, noise=0.4, random_state=1)
    return X[:300], y[:300], X[300:], y[300:]


@pytest.fixture(scope="module")
def chosen(overlapping):
    """A classifier with all defaults."""
    return ConvexReLUClassifier().fit(*overlapping[:2])


@pytest.fixture(scope="module")
def friedman():
    """A regression with noise, as training and test samples."""
    X, y = make_friedman1(600, noise=1.0, random_state=0)
    return X[:200], y[:200], X[200:], y[200:]


@pytest.fixture(scope="module")
def regression(friedman):
    """A regressor with all defaults."""
    return ConvexReLURegressor().fit(*friedman[:2])


def assert_same(network, other, X):
    np.testing.assert_array_equal(other.predict(X), network.predict(X))
    assert other.certificate_ == network.certificate_
    if isinstance(network, ConvexReLUClassifier):
        np.testing.assert_array_equal(other.predict_proba(X), network.predict_proba(X))
    else:
        np.testing.assert_array_equal(other.predict_interval(X), network.predict_interval(X))


@pytest.mark.parametrize("kind", ["chosen", "regression"])
def test_defaults_choose_beta_and_keep_the_certificate(request, overlapping, friedman, kind):
    network = request.getfixturevalue(kind)
    X, y, X_test, y_test = overlapping if kind == "chosen" else friedman
    assert network.status_ == "Optimal"
    assert network.certificate_.relative_gap <= 1e-3
    points = network.points_
    assert 2 < len(points["beta"]) <= 20
    assert (np.diff(points["beta"]) < 0).all()
    assert points["fraction"][np.argmin(points["mean_loss"])] * points["beta"][0] == pytest.approx(
        network.beta_ * points["fraction"][0], rel=1e-6
    )
    # Gated neurons with an output bias, of the mean of the folds.
    assert network.gates_ is not None
    assert (network.output_bias_ != 0).all()
    verified = network.verify(X, y)
    assert verified.holds
    assert verified.network == pytest.approx(network.certificate_.network, rel=1e-9)
    with pytest.raises(ValueError, match="that the model was trained on"):
        network.verify(X + 1, y)
    w1, b1, w2, gates, thresholds, output_bias = network.raw_weights()
    outputs = ((X_test @ gates + thresholds >= 0) * (X_test @ w1 + b1)) @ w2 + output_bias
    expected = network.predict(X_test) if kind == "regression" else network.decision_function(X_test)
    np.testing.assert_allclose(outputs[:, 0], expected, rtol=1e-9, atol=1e-9)
    assert network.score(X_test, y_test) > 0.8


def test_probabilities_are_calibrated(chosen, overlapping):
    _, y, X_test, y_test = overlapping
    probability = chosen.predict_proba(X_test)
    assert probability.shape == (len(X_test), 2)
    assert (probability > 0).all()
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-12)
    constant = np.tile(np.bincount(y) / len(y), (len(y_test), 1))
    assert log_loss(y_test, probability) < 0.7 * log_loss(y_test, constant)
    # Of ten samples with a probability of 0.8, eight are of that class.
    p = probability[:, 1]
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0)):
        among = (p >= low) & (p < high)
        error = np.sqrt(np.mean(p[among] * (1 - p[among])) / among.sum())
        assert abs(np.mean(y_test[among]) - np.mean(p[among])) < 4 * error
    # They rise with the output of the network.
    order = np.argsort(chosen.decision_function(X_test))
    assert (np.diff(p[order]) >= 0).all()


@pytest.mark.parametrize(
    ("names", "loss"),
    [
        (["10", "2"], "squared"),
        (["10", "2"], "logistic"),
        ([False, True], "squared-hinge"),
        ([2, 10, 1], "squared"),
        ([2, 10, 1], "multinomial"),
        (["b", "10", "2"], "logistic"),
        (["b", "10", "2"], "multinomial"),
    ],
)
def test_probabilities_are_in_the_order_of_the_classes(names, loss):
    X, index = make_blobs(90, centers=[[0, 0], [2, 0], [0, 2]][: len(names)], cluster_std=0.3, random_state=0)
    y = np.array(names)[index]
    network = ConvexReLUClassifier(**SMALL, loss=loss).fit(X, y)
    probability = network.predict_proba(X)
    np.testing.assert_array_equal(network.classes_, np.unique(y))
    np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-12)
    assert accuracy_score(y, network.classes_[probability.argmax(axis=1)]) > 0.95
    assert accuracy_score(y, network.predict(X)) > 0.95


def test_a_given_beta_has_probabilities_where_outputs_are_log_odds(moons):
    X, y = moons
    given = {"patterns": 10, "beta_fraction": 0.01}
    network = ConvexReLUClassifier(loss="logistic", **given).fit(X, y)
    decision = network.decision_function(X)
    np.testing.assert_allclose(network.predict_proba(X)[:, 1], 1 / (1 + np.exp(-decision)), rtol=1e-9)
    three = np.where(X[:, 0] > 1, 2, y)
    network = ConvexReLUClassifier(loss="multinomial", **given).fit(X, three)
    np.testing.assert_allclose(network.predict_proba(X), softmax(network.decision_function(X)), rtol=1e-9)
    with pytest.raises(ValueError, match="two classes have a single one: choose the logistic loss"):
        network.fit(X, y)
    for parameters in (given, {"patterns": 10, "beta": 1.0}, {"patterns": 10, "refine": 1}):
        network = ConvexReLUClassifier(**parameters)
        assert not hasattr(network, "predict_proba")
        assert not hasattr(network.fit(X, y), "predict_proba")
        with pytest.raises(AttributeError) as raised:
            network.predict_proba(X)
        assert "leave beta to fit, or choose loss='logistic' or 'multinomial'" in str(raised.value.__cause__)


def test_probabilities_and_intervals_need_a_fit(moons, waves):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ConvexReLUClassifier().predict_proba(moons[0])
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ConvexReLURegressor().predict_interval(waves[0])
    network = ConvexReLURegressor(patterns=10, beta_fraction=0.01).fit(*waves)
    with pytest.raises(NotFittedError, match="no intervals: leave beta to fit"):
        network.predict_interval(waves[0])


def test_intervals_cover_new_samples(regression, friedman):
    X, y = friedman[2:]
    widths = []
    for coverage in (0.5, 0.8, 0.95):
        low, high = regression.predict_interval(X, coverage)
        np.testing.assert_allclose((low + high) / 2, regression.predict(X), rtol=1e-12)
        # 400 new samples and 200 residuals: four standard errors of both.
        covered, error = np.mean((low <= y) & (y <= high)), np.sqrt(coverage * (1 - coverage) * (1 / 400 + 1 / 200))
        assert covered > coverage - 4 * error
        widths.append(high[0] - low[0])
    assert widths == sorted(widths)
    for coverage in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=r"coverage is .*, but it must be between 0 and 1"):
            regression.predict_interval(X, coverage)


def test_several_targets_have_their_own_intervals(waves):
    X, y = waves
    both = np.column_stack([y, -10 * y + np.random.default_rng(0).normal(size=len(y))])
    network = ConvexReLURegressor(**SMALL).fit(X, both)
    low, high = network.predict_interval(X)
    assert low.shape == high.shape == network.predict(X).shape == both.shape
    width = high - low
    np.testing.assert_allclose(width, np.tile(width[0], (len(y), 1)), rtol=1e-6)
    assert width[0, 1] > 3 * width[0, 0]
    assert network.score(X, both) > 0.8
    assert network.verify(X, both).holds


def test_pickles_and_files_of_a_mean(tmp_path, chosen, regression, overlapping, friedman):
    for network, X, y in ((chosen, *overlapping[:2]), (regression, *friedman[:2])):
        for again in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
            assert_same(network, again, X)
            np.testing.assert_array_equal(again.points_["mean_loss"], network.points_["mean_loss"])
        network.save(tmp_path / "mean.cvx")
        loaded = load(tmp_path / "mean.cvx")
        assert_same(network, loaded, X)
        assert loaded.verify(X, y).holds
        assert loaded.points_ == {}
        assert (loaded.beta, loaded.activation, loaded.output_bias) == (network.beta_, "gated", True)
    single = ConvexReLUClassifier(patterns=10, beta_fraction=0.01, loss="logistic").fit(*overlapping[:2])
    single.save(tmp_path / "single.cvx")
    assert_same(single, load(tmp_path / "single.cvx"), overlapping[0])


def test_the_same_seed_gives_the_same_bits_and_another_one_others(moons):
    first, second, other = (
        ConvexReLUClassifier(**SMALL, threads=threads, random_state=seed).fit(*moons)
        for threads, seed in ((1, 0), (0, 0), (0, 1))
    )
    np.testing.assert_array_equal(first.w1_, second.w1_)
    np.testing.assert_array_equal(first.predict_proba(moons[0]), second.predict_proba(moons[0]))
    assert not np.array_equal(first.decision_function(moons[0]), other.decision_function(moons[0]))


def test_folds_and_ensemble_count_the_parts(moons):
    sizes = {}
    for folds, ensemble in ((2, 1), (4, 1), (2, 2)):
        parameters = {"patterns": 20, "folds": folds, "ensemble": ensemble, "prune": False}
        network = ConvexReLUClassifier(**parameters).fit(*moons)
        assert network.verify(*moons).holds
        sizes[folds, ensemble] = network.n_neurons_
    assert sizes[2, 1] < sizes[4, 1]
    assert sizes[2, 1] < sizes[2, 2]


def test_weights_of_zero_leave_samples_out(moons):
    X, y = moons
    weights = np.where(np.arange(len(y)) % 4 == 0, 0, 1)
    weighted = ConvexReLUClassifier(**SMALL).fit(X, y, weights)
    kept = weights > 0
    without = ConvexReLUClassifier(**SMALL).fit(X[kept], y[kept], weights[kept])
    np.testing.assert_array_equal(weighted.decision_function(X), without.decision_function(X))
    np.testing.assert_array_equal(weighted.predict_proba(X), without.predict_proba(X))
    assert weighted.verify(X, y, weights).holds


@pytest.mark.parametrize("kind", [ConvexReLUClassifier, ConvexReLURegressor])
def test_whole_weights_are_samples(moons, kind):
    X, y = moons
    weights = np.random.default_rng(3).integers(0, 4, len(y))
    weighted = kind(**SMALL).fit(X, y, weights)
    assert weighted.verify(X, y, weights).holds
    # Folds differ, so only the predictions are close.
    repeated = kind(**SMALL).fit(X.repeat(weights, axis=0), y.repeat(weights))
    evaluate = (lambda n: n.predict_proba(X)[:, 1]) if kind is ConvexReLUClassifier else (lambda n: n.predict(X))
    assert np.mean(np.abs(evaluate(weighted) - evaluate(repeated))) < 0.15
    doubled = kind(**SMALL).fit(X, y, np.full(len(y), 2.0))
    plain = kind(**SMALL).fit(X, y)
    assert np.mean(np.abs(evaluate(doubled) - evaluate(plain))) < 0.02


def test_a_budget_ends_the_choice_in_time():
    X, y = make_friedman1(1500, n_features=20, noise=1.0, random_state=0)
    start = time.monotonic()
    network = ConvexReLURegressor(budget=1.0, gap=0.05).fit(X, y)
    seconds = time.monotonic() - start
    assert len(network.points_["beta"]) < 20
    # One beta for all folds and the last runs may be under way when it is spent.
    assert seconds < 15
    assert np.isfinite(network.predict(X)).all()
    assert network.verify(X, y).holds


def test_a_time_limit_ends_the_choice_with_a_network(moons):
    with pytest.warns(ConvergenceWarning, match="TimeLimit"):
        network = ConvexReLUClassifier(time_limit=1e-6).fit(*moons)
    assert network.status_ == "TimeLimit"
    assert network.points_ == {}
    assert network.predict(moons[0]).shape == moons[1].shape
    # No beta was tried, so there is nothing to calibrate by.
    assert not hasattr(network, "predict_proba")


def test_bad_parameters_of_the_choice_are_named(moons):
    for parameters, message in (
        ({"folds": 1}, "folds is 1, but it must be 2 or more"),
        ({"folds": 201}, "folds is 201"),
        ({"folds": "many"}, "folds is 'many', but it must be auto, or a whole number"),
        ({"ensemble": 0}, "ensemble is 0, but it must be"),
        ({"ensemble": None}, "ensemble is None, but it must be auto, or a whole number above 0"),
        ({"budget": 0.0}, "budget is 0, but it must be"),
        ({"budget": "long"}, "budget is 'long', but it must be None, or a number of seconds"),
        ({"output_bias": "no"}, "output_bias is 'no', but it must be auto, True or False"),
    ):
        with pytest.raises(ValueError, match=message):
            ConvexReLUClassifier(**parameters).fit(*moons)


def test_every_iteration_of_the_choice_is_seen_and_may_end_it(moons):
    seen = []
    network = ConvexReLUClassifier(**SMALL).fit(*moons, callback=seen.append)
    assert len(seen) >= len(network.history_["iteration"])
    np.testing.assert_array_equal(network.w1_, ConvexReLUClassifier(**SMALL).fit(*moons).w1_)
    calls = []

    def stop(record):
        calls.append(record)
        return len(calls) == len(seen) // 2

    stopped = ConvexReLUClassifier(**SMALL).fit(*moons, callback=stop)
    assert stopped.status_ == "Interrupted"
    assert len(calls) == len(seen) // 2
    assert 0 < len(stopped.points_["beta"]) < len(network.points_["beta"])
    assert stopped.score(*moons) > 0.8
    assert stopped.verify(*moons).network_agrees


def test_a_bound_over_all_patterns_is_for_few_features():
    random = np.random.RandomState(3)
    X = random.uniform(-1, 1, (60, 2))
    y = np.abs(X[:, 0]) + np.sin(2 * X[:, 1])
    network = ConvexReLURegressor(certify="global", beta_fraction=0.05).fit(X, y)
    assert network.certificate_.certify == "global"
    assert network.certificate_.relative_gap <= 1e-3
    assert network.verify(X, y).holds
    with pytest.raises(ValueError, match="more than four features"):
        ConvexReLURegressor(certify="global").fit(random.uniform(size=(60, 9)), y)
    with pytest.raises(ValueError, match="no best pattern"):
        ConvexReLURegressor(certify="global", activation="gated").fit(X, y)
