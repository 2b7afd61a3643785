"""Tools of scikit-learn on networks whose beta `fit` chooses."""

import numpy as np
import pandas as pd
import pytest
from cvx_relu import ConvexReLUClassifier, ConvexReLURegressor
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.inspection import PartialDependenceDisplay, partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SMALL = {"patterns": 20, "folds": 3, "ensemble": 1}


@pytest.fixture(scope="module")
def steps():
    """A table (150 x 3) whose third column says nothing, with numbers that rise with the first, and two classes."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(150, 3)), columns=["main", "side", "noise"])
    y = 2.0 * X["main"] + np.abs(X["side"])
    return X, y.to_numpy(), np.where(y > y.median(), "high", "low")


@pytest.fixture(scope="module")
def networks(steps):
    X, y, names = steps
    return ConvexReLUClassifier(**SMALL).fit(X, names), ConvexReLURegressor(**SMALL).fit(X, y)


def test_importance_of_columns(steps, networks):
    X, y, names = steps
    for network, labels, scoring in zip(networks, (names, y), ("roc_auc", "r2"), strict=True):
        found = permutation_importance(network, X, labels, scoring=scoring, n_repeats=3, random_state=0)
        order = np.argsort(found.importances_mean)[::-1]
        assert order[0] == 0
        assert order[-1] == 2


def test_partial_dependence(steps, networks):
    X = steps[0]
    classifier, regressor = networks
    for network in networks:
        found = partial_dependence(network, X, ["main"], grid_resolution=8)
        (curve,) = found["average"]
        # "low" is the second class.
        rising = curve if network is regressor else -curve
        assert (np.diff(rising) > 0).all()
    average = partial_dependence(classifier, X, ["main"], grid_resolution=8)["average"]
    assert ((average > 0) & (average < 1)).all(), "probabilities"
    # A network without probabilities is shown by its outputs.
    given = ConvexReLUClassifier(patterns=20, beta_fraction=0.01).fit(X, steps[2])
    assert partial_dependence(given, X, ["main"], grid_resolution=8)["average"].shape == (1, 8)


def test_partial_dependence_is_drawn(steps, networks):
    pytest.importorskip("matplotlib").use("Agg")
    display = PartialDependenceDisplay.from_estimator(
        networks[1], steps[0], ["main", ("main", "side")], grid_resolution=5
    )
    assert len(display.axes_.ravel()) == 2


def test_partial_dependence_of_a_table_with_categories(steps):
    X, y, _ = steps
    X = X.assign(kind=pd.Categorical(np.where(X["side"] > 0, "a", "b")), main=X["main"].where(X["noise"] < 1.5))
    network = ConvexReLURegressor(**SMALL).fit(X, y)
    found = partial_dependence(network, X, ["kind"], categorical_features=["kind"])
    assert found["average"].shape == (1, 2)
    importance = permutation_importance(network, X, y, n_repeats=2, random_state=0)
    assert len(importance.importances_mean) == 4


def test_cross_validation(steps):
    X, y, names = steps
    assert cross_val_score(ConvexReLURegressor(**SMALL), X, y, cv=3).mean() > 0.9
    losses = cross_val_score(ConvexReLUClassifier(**SMALL), X, names, cv=3, scoring="neg_log_loss")
    assert losses.mean() > -0.5
    probability = cross_val_predict(ConvexReLUClassifier(**SMALL), X, names, cv=2, method="predict_proba")
    assert probability.shape == (150, 2)


def test_a_search_over_what_the_choice_leaves_open(steps):
    X, _, names = steps
    pipeline = make_pipeline(StandardScaler(), ConvexReLUClassifier(**SMALL))
    grid = {"convexreluclassifier__loss": ["squared", "logistic"]}
    search = GridSearchCV(pipeline, grid, cv=2, scoring="neg_log_loss").fit(X, names)
    assert search.best_estimator_.predict_proba(X).shape == (150, 2)
    assert search.score(X, names) > -0.5


def test_a_clone_has_the_parameters_and_no_network(networks):
    for network in networks:
        other = clone(network)
        assert other.get_params() == network.get_params()
        assert not hasattr(other, "model_")


def test_calibration_of_others(steps):
    X, _, names = steps
    for network in (ConvexReLUClassifier(**SMALL), ConvexReLUClassifier(patterns=20, beta_fraction=0.01)):
        calibrated = CalibratedClassifierCV(network, cv=2).fit(X, names)
        assert calibrated.score(X, names) > 0.9


def test_networks_among_others(steps):
    X, y, names = steps
    members = [("network", ConvexReLUClassifier(**SMALL)), ("line", LogisticRegression())]
    assert VotingClassifier(members, voting="soft").fit(X, names).score(X, names) > 0.9
    # A network without probabilities is stacked by its outputs.
    members[0] = ("network", ConvexReLUClassifier(patterns=20, beta_fraction=0.01))
    stacked = StackingClassifier(members, cv=2).fit(X, names)
    assert stacked.stack_method_ == ["decision_function", "predict_proba"]
    assert stacked.score(X, names) > 0.9
    logarithm = TransformedTargetRegressor(ConvexReLURegressor(**SMALL), func=np.arcsinh, inverse_func=np.sinh)
    assert logarithm.fit(X, y).score(X, y) > 0.9
