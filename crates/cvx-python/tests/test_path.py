"""Paths of betas."""

import os
import signal

import numpy as np
import pytest
from cvx_relu import ConvexReLUClassifier, ConvexReLURegressor, InterruptedWarning, path


def test_a_path_chooses_by_held_out_samples(moons):
    X, y = moons
    seen = []
    found = path(ConvexReLUClassifier(), X, y, betas=8, callback=seen.append)
    points = found.points
    assert [record["fraction"] for record in seen] == list(points["fraction"])
    assert list(seen[0]) == ["fraction", "relative_gap", "validation_loss", "validation_accuracy"]
    assert (np.diff(points["beta"]) < 0).all()
    assert points["error"][found.chosen] == points["error"].min()
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
    smallest = best.points["error"][best.chosen]
    allowed = smallest + best.points["standard_error"][best.chosen]
    assert best.points["error"][sparsest.chosen] <= allowed


def test_a_path_can_be_cut_short(moons):
    found = path(ConvexReLUClassifier(), *moons, betas=8, callback=lambda point: point["fraction"] < 0.1)
    assert (found.cut_short, found.chosen, found.estimator) == ("Interrupted", None, None)
    assert 0 < len(found.points["beta"]) < 8


def test_an_interrupt_returns_the_betas_so_far(moons):
    def interrupt(point):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.warns(InterruptedWarning, match="cut short"):
        found = path(ConvexReLUClassifier(), *moons, betas=8, callback=interrupt)
    assert found.estimator is None
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
    ):
        with pytest.raises(ValueError, match=message):
            path(ConvexReLUClassifier(), *moons, **arguments)
