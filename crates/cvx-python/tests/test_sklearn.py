"""scikit-learn's own checks of estimators, and its tools on ours."""

import pytest
from cvx_relu import ConvexReLUClassifier, ConvexReLURegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_sample_weight_equivalence_on_dense_data, parametrize_with_checks

# Their samples are noise, fitted to the last digit.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# Two folds and few gates: the checks fit hundreds of networks.
ESTIMATORS = [
    ConvexReLUClassifier(10, folds=2, ensemble=1, max_iterations=200),
    ConvexReLURegressor(10, folds=2, ensemble=1, max_iterations=200),
    ConvexReLUClassifier(beta_fraction=0.001),
    ConvexReLUClassifier(loss="logistic", activation="gated", beta_fraction=0.01, max_iterations=1000),
    ConvexReLURegressor(beta_fraction=0.001),
    ConvexReLURegressor(loss="huber", precision="f64", max_iterations=1000, beta_fraction=0.001),
]


def expected_failures(_):
    to_the_gap = "two runs end within the same gap, not with seven equal digits; see the strict estimators below"
    return {"check_sample_weight_equivalence_on_dense_data": to_the_gap}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", [ConvexReLUClassifier, ConvexReLURegressor])
def test_a_weight_is_as_good_as_the_sample_as_often(kind):
    strict = kind(beta_fraction=0.05, normalize="none", precision="f64", gap=1e-12)
    check_sample_weight_equivalence_on_dense_data(kind.__name__, strict)


def test_a_grid_is_searched_in_processes(moons):
    grid = {"network__beta_fraction": [0.3, 0.001], "network__activation": ["relu", "gated"]}
    pipeline = Pipeline(
        [("scale", StandardScaler()), ("network", ConvexReLUClassifier(threads=1, beta_fraction=0.001))]
    )
    search = GridSearchCV(pipeline, grid, n_jobs=2, cv=3).fit(*moons)
    assert search.best_params_["network__beta_fraction"] == 0.001
    assert search.best_score_ > 0.9
