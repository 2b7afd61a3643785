"""Paths of betas."""

import os
import signal

import numpy as np
import pytest
from cvx_relu import ConvexReLUClassifier, ConvexReLURegressor, InterruptedWarning, path
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss


def test_a_path_chooses_by_held_out_samples(moons):
    X, y = moons
    seen = []
    found = path(ConvexReLUClassifier(20), X, y, betas=8, callback=seen.append)
    points = found.points
    assert [record["fraction"] for record in seen] == list(points["fraction"])
    assert list(seen[0]) == ["fraction", "relative_gap", "validation_loss", "validation_accuracy"]
    assert (np.diff(points["beta"]) < 0).all()
    assert points["mean_loss"][found.chosen] == points["mean_loss"].min()
    assert found.cut_short is None
    estimator = found.estimator
    assert estimator.status_ == "Optimal"
    assert estimator.verify(X, y).holds
    assert estimator.score(X, y) > 0.9
    # The parameters of the estimator are those of the choice.
    again = ConvexReLUClassifier(**estimator.get_params()).fit(X, y)
    np.testing.assert_array_equal(again.w1_, estimator.w1_)


def test_folds_and_the_sparsest(waves):
    settings = {"betas": 6, "folds": 3, "path_gap": 0.05}
    best, sparsest = (path(ConvexReLURegressor(), *waves, choose=choose, **settings) for choose in ("best", "sparsest"))
    assert np.isnan(best.points["validation_accuracy"]).all()
    assert sparsest.chosen <= best.chosen
    losses = best.points["mean_loss"]
    assert losses[sparsest.chosen] <= losses[best.chosen] + best.points["mean_loss_error"][best.chosen]


def test_the_mean_of_the_folds_is_returned_if_it_is_asked_for(waves):
    X, y = waves
    settings = {"betas": 6, "folds": 3, "path_gap": 0.05}
    mean, retrained = (
        path(ConvexReLURegressor(20, activation="gated"), X, y, final=final, **settings).estimator
        for final in ("mean", "retrained")
    )
    assert mean.beta_fraction == retrained.beta_fraction
    assert mean.n_neurons_ > retrained.n_neurons_
    for estimator in (mean, retrained):
        assert estimator.verify(X, y).holds
        low, high = estimator.predict_interval(X)
        assert np.mean((low <= y) & (y <= high)) > 0.85


def test_a_share_is_held_out_once(moons):
    X, y = moons
    found = path(ConvexReLUClassifier(20), X, y, betas=4, validation=0.3)
    assert len(found.points["beta"]) == 4
    # The probabilities are fitted to the share.
    probability = found.estimator.predict_proba(X)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert log_loss(y, probability) < 0.4


def test_a_path_that_is_cut_short_returns_the_mean_of_its_folds(moons):
    found = path(ConvexReLUClassifier(20), *moons, betas=8, callback=lambda point: point["fraction"] < 0.1)
    assert found.cut_short == "Interrupted"
    assert 0 < len(found.points["beta"]) < 8
    assert found.chosen == np.argmin(found.points["mean_loss"])
    assert found.estimator.status_ == "Interrupted"
    assert found.estimator.beta_fraction == found.points["fraction"][found.chosen]
    assert found.estimator.score(*moons) > 0.8
    assert found.estimator.verify(*moons).network_agrees


def test_a_path_without_a_beta_has_an_estimator(moons):
    with pytest.warns(ConvergenceWarning, match="TimeLimit"):
        found = path(ConvexReLUClassifier(20, time_limit=1e-6), *moons)
    assert (found.cut_short, found.points) == ("TimeLimit", {})
    assert found.estimator.predict(moons[0]).shape == moons[1].shape


def test_an_interrupt_returns_the_betas_so_far(moons):
    def interrupt(point):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.warns(InterruptedWarning, match="the best network so far was kept"):
        found = path(ConvexReLUClassifier(), *moons, betas=8, callback=interrupt)
    assert found.cut_short == "Interrupted"
    assert found.estimator.predict(moons[0]).shape == moons[1].shape
    assert len(found.points["beta"]) == 1


def test_errors_of_a_callback_and_of_arguments(moons):
    def fail(point):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        path(ConvexReLUClassifier(), *moons, callback=fail)
    for arguments, message in (
        ({"choose": "worst"}, "choose is 'worst', but it must be best or sparsest"),
        ({"beta_ratio": 2.0}, "beta_ratio is 2, but it must be between 0 and 1"),
        ({"folds": 1}, "folds is 1, but it must be 2 or more"),
        ({"final": "worst"}, "final is 'worst', but it must be retrained or mean"),
        ({"validation": 1.5}, "validation is 1.5, but it must be between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            path(ConvexReLUClassifier(), *moons, **arguments)
