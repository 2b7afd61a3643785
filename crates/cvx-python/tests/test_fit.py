"""Parameters of a fit, its results and its errors."""

import os
import re
import resource
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from cvx_relu import ConvexReLUClassifier, ConvexReLURegressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError


def relu(z):
    return np.maximum(z, 0)


def test_the_certificate_is_of_the_network(waves):
    X, y = waves
    network = ConvexReLURegressor(beta_fraction=0.001).fit(X, y)
    certificate = network.certificate_
    assert network.status_ == "Optimal"
    assert certificate.relative_gap <= 1e-3
    assert certificate.certify == "network"
    decay = 0.5 * network.beta_ * (np.sum(network.w1_**2) + np.sum(network.w2_**2))
    objective = 0.5 * np.sum((network.predict(X) - y) ** 2) + decay
    assert objective == pytest.approx(certificate.network, rel=1e-12)
    assert network.verify(X, y).holds
    with pytest.raises(ValueError, match="not the 150 that the model was trained on"):
        network.verify(X + 1, y)


@pytest.mark.parametrize("normalize", ["none", "global", "column"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gated"])
def test_raw_weights_predict_what_the_network_does(waves, activation, bias, normalize):
    X, y = waves[0] * [1.0, 10.0, 0.1] + 5.0, waves[1]
    parameters = {"activation": activation, "bias": bias, "normalize": normalize, "output_bias": bias}
    network = ConvexReLURegressor(gap=0.5, beta_fraction=0.001, **parameters).fit(X, y)
    assert network.n_neurons_ > 2
    assert network.w1_.shape == (3 + bias, network.n_neurons_)
    w1, b1, w2, gates, thresholds, output_bias = network.raw_weights()
    assert (output_bias != 0).any() == bias
    inner = X @ w1 + b1
    assert (gates is None) == (activation == "relu")
    hidden = relu(inner) if gates is None else (X @ gates + thresholds >= 0) * inner
    np.testing.assert_allclose((hidden @ w2 + output_bias)[:, 0], network.predict(X), rtol=1e-9, atol=1e-9)


def test_history_has_a_row_for_each_iteration(moons):
    X, y = moons
    network = ConvexReLUClassifier(beta_fraction=0.001).fit(X[:150], y[:150], test=(X[150:], y[150:]))
    history = network.history_
    assert {len(column) for column in history.values()} == {network.n_iter_}
    np.testing.assert_array_equal(history["iteration"], np.arange(1, network.n_iter_ + 1))
    judged = ~np.isnan(history["relative_gap"])
    assert judged[:5].all()
    # The last judgement is of the network itself.
    assert history["relative_gap"][judged][-1] >= network.certificate_.relative_gap
    assert history["test_accuracy"][judged][-1] == pytest.approx(network.score(X[150:], y[150:]), abs=0.021)
    without = ConvexReLUClassifier(beta_fraction=0.001).fit(X, y).history_
    assert np.isnan(without["test_loss"]).all()


def test_the_certificate_has_a_part_of_each_class(waves):
    X = waves[0]
    y = np.array(["low", "middle", "high"])[np.digitize(waves[1], np.quantile(waves[1], [0.3, 0.8]))]
    network = ConvexReLUClassifier(beta_fraction=0.001, prune=False).fit(X, y)
    parts, history = network.target_certificates_, network.target_history_
    assert [part.name for part in parts] == list(network.classes_)
    assert sum(part.dual_bound for part in parts) == network.certificate_.dual_bound
    assert sum(part.neurons for part in parts) == network.n_neurons_
    signs = np.where(y[:, np.newaxis] == network.classes_, 1.0, -1.0)
    outputs = network.decision_function(X)
    for c, part in enumerate(parts):
        own = network.w2_[:, c] != 0
        decay = 0.5 * network.beta_ * (np.sum(network.w1_[:, own] ** 2) + np.sum(network.w2_[:, c] ** 2))
        assert part.network == pytest.approx(0.5 * np.sum((outputs[:, c] - signs[:, c]) ** 2) + decay, rel=1e-9)
        gap = max(0.0, part.network - part.dual_bound) / part.network
        assert part.relative_gap == pytest.approx(gap, rel=1e-9, abs=1e-15)
    evaluated = ~np.isnan(network.history_["network"])
    np.testing.assert_array_equal(history["iteration"], network.history_["iteration"][evaluated])
    np.testing.assert_allclose(history["network"].sum(axis=1), network.history_["network"][evaluated], rtol=1e-12)
    assert history["relative_gap"].shape == (evaluated.sum(), 3)
    coupled = ConvexReLUClassifier(beta_fraction=0.01, loss="multinomial").fit(X, y)
    assert all(part.network is None and part.dual_bound is None for part in coupled.target_certificates_)
    assert coupled.target_history_["network"].size == 0
    assert ConvexReLURegressor(beta_fraction=0.01).fit(*waves).target_certificates_ == []


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize(
    "names",
    [
        ["a", "b"],
        ["10", "2"],
        [2, 10],
        [-1.0, 2.0],
        [False, True],
        ["b", "10", "2"],
        [7, 3, 5],
        pd.Categorical(["low", "high"]).categories,
    ],
)
def test_classes_of_any_kind_come_back(names, loss):
    rng = np.random.default_rng(1)
    index = rng.integers(0, len(names), 120)
    X = rng.normal(size=(120, 2)) * 0.2 + np.array([[0, 0], [1, 0], [0, 1]])[index]
    y = np.asarray(names)[index]
    network = ConvexReLUClassifier(patterns=20, loss=loss, beta_fraction=0.01, threads=1).fit(X, y)
    np.testing.assert_array_equal(network.classes_, np.unique(y))
    assert network.predict(X).dtype == y.dtype
    assert network.score(X, y) > 0.95
    decision = network.decision_function(X)
    by_decision = (decision > 0).astype(int) if len(names) == 2 else decision.argmax(axis=1)
    np.testing.assert_array_equal(network.classes_[by_decision], network.predict(X))
    if loss == "logistic":
        probability = network.predict_proba(X)
        np.testing.assert_allclose(probability.sum(axis=1), 1)
        np.testing.assert_array_equal(network.classes_[probability.argmax(axis=1)], network.predict(X))
        if len(names) == 2:
            np.testing.assert_allclose(probability[:, 1], 1 / (1 + np.exp(-decision)))


def test_names_of_choices_may_be_written_as_python_writes_names(moons):
    dashed, underscored = (
        ConvexReLUClassifier(loss=loss, beta_fraction=0.001).fit(*moons) for loss in ("squared-hinge", "squared_hinge")
    )
    np.testing.assert_array_equal(dashed.w1_, underscored.w1_)


def test_probabilities_take_the_logistic_loss(moons):
    network = ConvexReLUClassifier(beta_fraction=0.001).fit(*moons)
    assert not hasattr(network, "predict_proba")
    with pytest.raises(AttributeError):
        network.predict_proba(moons[0])


def test_several_targets(waves):
    X, y = waves
    both = np.column_stack([y, -2 * y])
    network = ConvexReLURegressor(beta_fraction=0.001).fit(X, both)
    assert network.predict(X).shape == both.shape
    assert network.w2_.shape == (network.n_neurons_, 2)
    assert network.score(X, both) > 0.9
    assert network.verify(X, both).holds


@pytest.mark.parametrize("precision", ["f32", "f64"])
def test_the_same_seed_gives_the_same_bits(moons, precision):
    X, y = moons
    fitted = [
        ConvexReLUClassifier(threads=threads, precision=precision, beta_fraction=0.001).fit(X, y)
        for threads in (0, 1, 3)
    ]
    for other in fitted[1:]:
        np.testing.assert_array_equal(fitted[0].w1_, other.w1_)
    assert not np.array_equal(ConvexReLUClassifier(random_state=1, beta_fraction=0.001).fit(X, y).w1_, fitted[0].w1_)
    drawn = [
        ConvexReLUClassifier(random_state=np.random.RandomState(7), beta_fraction=0.001).fit(X, y).w1_ for _ in range(2)
    ]
    np.testing.assert_array_equal(*drawn)


def test_layout_and_precision_of_the_samples_do_not_matter(waves):
    X, y = waves[0].astype(np.float32), waves[1]
    expected = ConvexReLURegressor(beta_fraction=0.001).fit(X.astype(np.float64), y)
    wide = np.zeros((300, 6), dtype=np.float32)
    wide[::2, ::2] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    for other in (X, np.asfortranarray(X), wide[::2, ::2], X[::-1][::-1], X.astype(">f4"), frozen, pd.DataFrame(X)):
        network = ConvexReLURegressor(beta_fraction=0.001).fit(other, y)
        np.testing.assert_array_equal(network.w1_, expected.w1_)
        np.testing.assert_array_equal(network.predict(np.asarray(other)), expected.predict(X))


def test_samples_are_read_without_an_array_in_between():
    X = np.asfortranarray(np.random.default_rng(0).normal(size=(20_000, 50)).astype(np.float32))
    network = ConvexReLURegressor(patterns=2, max_iterations=1, gap=1e9, beta_fraction=0.001).fit(X[:50], X[:50, 0])
    tracemalloc.start()
    network.predict(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < X.nbytes / 2


def test_names_of_a_frame_are_kept(waves):
    X, y = pd.DataFrame(waves[0], columns=["a", "b", "c"]), waves[1]
    network = ConvexReLURegressor(beta_fraction=0.001).fit(X, y)
    np.testing.assert_array_equal(network.feature_names_in_, ["a", "b", "c"])
    with pytest.raises(ValueError, match="feature names"):
        network.predict(X[["c", "b", "a"]])


def test_weights_count_samples(waves):
    X, y = waves
    weights = np.random.default_rng(2).integers(0, 4, len(y))
    strict = {"certify": "sampled", "gap": 1e-4, "precision": "f64", "beta_fraction": 0.05}
    weighted = ConvexReLURegressor(**strict).fit(X, y, weights)
    repeated = ConvexReLURegressor(**strict).fit(X.repeat(weights, axis=0), y.repeat(weights))
    assert weighted.certificate_.dual_bound == pytest.approx(repeated.certificate_.dual_bound, rel=1e-4)
    assert weighted.verify(X, y, weights).holds
    with pytest.raises(ValueError, match="negative"):
        weighted.fit(X, y, -weights)
    with pytest.raises(ValueError, match=re.escape("expected (150,)")):
        weighted.fit(X, y, weights[1:])


def test_a_class_without_weight_is_none(moons):
    X, y = moons
    names, weights = np.where(X[:, 0] < -0.5, "far", np.array(["left", "right"])[y]), np.where(X[:, 0] < -0.5, 0.0, 2.0)
    network = ConvexReLUClassifier(beta_fraction=0.001).fit(X, names, weights)
    np.testing.assert_array_equal(network.classes_, ["left", "right"])
    expected = ConvexReLUClassifier(beta_fraction=0.001).fit(X[weights > 0], names[weights > 0], weights[weights > 0])
    np.testing.assert_array_equal(network.w1_, expected.w1_)


def test_class_weights_go_by_label(moons):
    X, y = moons
    names = np.array(["left", "right"])[y]
    heavy = ConvexReLUClassifier(class_weight={"right": 1000.0}, beta_fraction=0.1).fit(X, names)
    assert np.mean(heavy.predict(X) == "right") > 0.6
    counted = ConvexReLUClassifier(class_weight={1.0: 1000.0}, beta_fraction=0.1).fit(X, y.astype(float))
    np.testing.assert_array_equal(heavy.w1_, counted.w1_)
    with pytest.raises(ValueError, match="unknown class 'up': the classes are left, right"):
        ConvexReLUClassifier(class_weight={"up": 2.0}, beta_fraction=0.001).fit(X, names)


def test_gates_of_ones_own_and_images(waves):
    X, y = waves
    gates = np.random.default_rng(0).normal(size=(4, 7))
    network = ConvexReLURegressor(gates=gates, activation="gated", beta_fraction=0.001).fit(X, y)
    assert network.gates_.shape == (4, network.n_neurons_)
    assert all(any(np.array_equal(gate, given) for given in gates.T) for gate in network.gates_.T)
    pixels = np.random.default_rng(0).random((60, 2 * 6 * 6))
    image = ConvexReLURegressor(activation="gated", image=(2, 6, 6), beta_fraction=0.001).fit(
        pixels, pixels.mean(axis=1)
    )
    assert len(set(image.model_.scale)) == 1
    assert (image.gates_ == 0).any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"patterns": 0}, "patterns is 0, but it must be 1 or more"),
        ({"patterns": -1}, "patterns is -1, but it must be auto, or a whole number above 0"),
        ({"patterns": "many"}, "patterns is 'many', but it must be auto, or a whole number above 0"),
        ({"max_iterations": 0}, "max_iterations is 0, but it must be 1 or more"),
        ({"max_iterations": None}, "max_iterations is None, but it must be a whole number that is 0 or larger"),
        ({"gap": 0}, "gap is 0, but it must be a positive number"),
        ({"beta": -1.0}, "beta is -1, but it must be a finite number that is 0 or larger"),
        ({"beta": 1.0, "beta_fraction": 0.1}, "beta and beta_fraction are both given"),
        (
            {"loss": "hinge"},
            "loss is 'hinge', but it must be one of squared, logistic, squared-hinge, huber, multinomial",
        ),
        ({"huber_delta": 2.0}, "huber_delta is only for loss='huber'"),
        ({"loss": "logistic"}, "the logistic loss needs classes"),
        ({"activation": 3}, "activation is 3, but it must be one of auto, relu, gated"),
        ({"normalize": "row"}, "normalize is 'row', but it must be one of auto, none, global, column"),
        ({"gates": "local"}, "choose others with gates"),
        ({"gates": np.ones((9, 2))}, "gates"),
        ({"device": "gpu"}, "device is 'gpu', but it must be auto, cpu, cuda or cuda:I with a number I"),
        ({"random_state": -1}, "random_state is -1"),
        ({"random_state": "x"}, "cannot be used to seed"),
        ({"memory_budget": 0.0}, "memory_budget is 0, but it must be None, or a positive number of gigabytes"),
        ({"image": (1, 2)}, re.escape("image is (1, 2), but it must be None, or (channels, height, width)")),
        ({"image": (1, 2, 2)}, "image has the wrong size: expected 3 pixel values"),
        ({"solver": "lu"}, "solver is 'lu', but it must be one of auto, cholesky"),
        ({"time_limit": float("nan")}, "time_limit is NaN, but it must be a number of seconds"),
    ],
)
def test_bad_parameters_are_named(waves, parameters, message):
    with pytest.raises(ValueError, match=message):
        ConvexReLURegressor(**parameters).fit(*waves)


def test_what_does_not_fit_the_memory_is_refused(waves):
    with pytest.raises(MemoryError, match=r"the budget is 0.00 GB .*: .*memory_budget"):
        ConvexReLURegressor(memory_budget=1e-6).fit(*waves)


def test_a_gpu_that_is_not_there_is_said(waves):
    reasons = "no NVIDIA driver was found|no device cuda:63|cannot be loaded|is needed|not compiled into this package"
    with pytest.raises(RuntimeError, match=reasons):
        ConvexReLURegressor(device="cuda:63").fit(*waves)


@pytest.mark.skipif("CVX_REQUIRE_CUDA" not in os.environ, reason="CVX_REQUIRE_CUDA does not say that there is a GPU")
def test_a_gpu_trains(waves):
    network = ConvexReLURegressor(5, device="cuda", gap=0.1, beta_fraction=0.001).fit(*waves)
    assert (network.device_, network.status_) == ("cuda", "Optimal")
    assert network.verify(*waves).holds


def test_a_run_that_ends_early_warns_and_keeps_its_network(waves):
    network = ConvexReLURegressor(max_iterations=3, gap=1e-9, beta_fraction=0.001)
    with pytest.warns(ConvergenceWarning, match="IterationLimit at a relative gap of .*: raise max_iterations"):
        network.fit(*waves)
    assert network.status_ == "IterationLimit"
    assert network.n_iter_ == 3
    with pytest.warns(ConvergenceWarning, match="TimeLimit"):
        network.set_params(max_iterations=10, time_limit=0.0).fit(*waves)
    assert network.predict(waves[0]).shape == (150,)


def test_patterns_by_the_samples(waves):
    network = ConvexReLURegressor(patterns="auto", max_iterations=1, gap=1e9, beta_fraction=0.001).fit(*waves)
    assert 25 <= network.model_.parameters["patterns"] <= 50


def test_refinement_lowers_the_objective(waves):
    plain, refined = (ConvexReLURegressor(patterns=5, refine=rounds).fit(*waves) for rounds in (0, 3))
    assert refined.certificate_.network < plain.certificate_.network


def test_nothing_is_there_before_fit(waves):
    network = ConvexReLURegressor()
    for use in (lambda: network.predict(waves[0]), network.raw_weights, lambda: network.save("model.cvx")):
        with pytest.raises(NotFittedError):
            use()
    assert not hasattr(network, "certificate_")


def test_many_fits_leave_no_memory_behind(moons):
    def fit_often(times):
        for _ in range(times):
            ConvexReLUClassifier(patterns=10, threads=1, max_iterations=20, gap=1e-2, beta_fraction=0.001).fit(
                *moons, callback=lambda _: 0
            )
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        before = fit_often(100)
        assert fit_often(300) - before < 8 * 1024
