"""The methods that are compared, each from a table's frame to a fitted model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import loguniform
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import GridSearchCV, ParameterSampler
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR

from tables.data import folds

#: Categories with fewer training samples than this share one column.
LEAST_FREQUENCY = 3

#: The search for an MLP: settings that are tried, the default ones first, and folds.
MLP_TRIALS, MLP_FOLDS = 12, 3
MLP_DEFAULT = {"hidden_layer_sizes": (100,), "alpha": 1e-4, "learning_rate_init": 1e-3}

#: The grid of an SVM; gamma in multiples of scikit-learn's "scale".
SVM_C, SVM_GAMMA, SVM_FOLDS = [0.1, 1.0, 10.0, 100.0], [0.1, 0.3, 1.0, 3.0], 5

#: Makes an estimator for prepared samples and labels: (Z, y, regression, seed).
Build = Callable[[NDArray, NDArray, bool, int], Any]


@dataclass(frozen=True)
class Method:
    """An estimator for prepared samples, and the package that it is from."""

    build: Build
    scaled: bool = True
    package: str = "scikit-learn"

    def fit(self, X: pd.DataFrame, y: NDArray, regression: bool, seed: int, threads: int) -> Any:
        """Prepares the samples and trains on them; every estimator here uses one thread."""
        prepare = preparation(X, self.scaled)
        Z = prepare.fit_transform(X)
        return Pipeline([("prepare", prepare), ("fit", self.build(Z, y, regression, seed).fit(Z, y))])

    def is_installed(self) -> bool:
        """Whether its package is there."""
        try:
            return bool(version(self.package))
        except PackageNotFoundError:
            return False

    def version(self) -> str:
        """Package and version."""
        return f"{self.package} {version(self.package)}"


class Cvx(Method):
    """This project's estimators without arguments, which get the frame itself."""

    def fit(self, X: pd.DataFrame, y: NDArray, regression: bool, seed: int, threads: int) -> Any:
        """Trains on so many processors: by default the estimators use all that the process may run on."""
        from cvx_relu import ConvexReLUClassifier, ConvexReLURegressor

        with on_processors(threads):
            return (ConvexReLURegressor() if regression else ConvexReLUClassifier()).fit(X, y)


@contextmanager
def on_processors(count: int) -> Iterator[None]:
    """Lets this thread, and those that it starts, run on so many processors only, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-count:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def preparation(X: pd.DataFrame, scaled: bool) -> ColumnTransformer:
    """Medians for missing numbers, which are standardised if `scaled`; one column for each category of a text."""
    numbers = list(X.select_dtypes("number").columns)
    texts = [name for name in X.columns if name not in numbers]
    medians = SimpleImputer(strategy="median", keep_empty_features=True)
    encode = OneHotEncoder(handle_unknown="ignore", min_frequency=LEAST_FREQUENCY, sparse_output=False)
    parts = [
        ("numbers", make_pipeline(medians, StandardScaler()) if scaled else medians, numbers),
        ("texts", encode, texts),
    ]
    return ColumnTransformer(parts, sparse_threshold=0)


def standardised(regressor: Any) -> TransformedTargetRegressor:
    """The regressor on targets of mean 0 and variance 1."""
    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


def linear(Z: NDArray, y: NDArray, regression: bool, seed: int) -> Any:
    if regression:
        return RidgeCV(alphas=np.logspace(-3, 3, 13))
    return LogisticRegressionCV(
        Cs=10,
        l1_ratios=(0,),
        cv=folds(y, 5, False, seed),
        scoring="accuracy",
        max_iter=1000,
        use_legacy_attributes=False,
    )


def mlp(Z: NDArray, y: NDArray, regression: bool, seed: int) -> Any:
    return standardised(MLPRegressor(random_state=seed)) if regression else MLPClassifier(random_state=seed)


def mlp_tuned(Z: NDArray, y: NDArray, regression: bool, seed: int) -> Any:
    ranges = {
        "hidden_layer_sizes": [(width,) for width in (16, 32, 64, 128, 256)],
        "alpha": loguniform(1e-5, 10),
        "learning_rate_init": loguniform(5e-4, 2e-2),
    }
    trials = [MLP_DEFAULT, *ParameterSampler(ranges, MLP_TRIALS - 1, random_state=seed)]
    grid = [{name: [value] for name, value in trial.items()} for trial in trials]
    model = (MLPRegressor if regression else MLPClassifier)(random_state=seed)
    search = GridSearchCV(model, grid, cv=folds(y, MLP_FOLDS, regression, seed))
    return standardised(search) if regression else search


def svm(Z: NDArray, y: NDArray, regression: bool, seed: int) -> Any:
    return standardised(SVR()) if regression else SVC()


def svm_tuned(Z: NDArray, y: NDArray, regression: bool, seed: int) -> Any:
    grid = {"C": SVM_C, "gamma": list(np.array(SVM_GAMMA) / (Z.shape[1] * Z.var()))}
    search = GridSearchCV(SVR() if regression else SVC(), grid, cv=folds(y, SVM_FOLDS, regression, seed))
    return standardised(search) if regression else search


def forest(Z: NDArray, y: NDArray, regression: bool, seed: int) -> Any:
    kind = RandomForestRegressor if regression else RandomForestClassifier
    return kind(n_estimators=300, n_jobs=1, random_state=seed)


def lightgbm(Z: NDArray, y: NDArray, regression: bool, seed: int) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    return (LGBMRegressor if regression else LGBMClassifier)(n_jobs=1, random_state=seed, verbose=-1)


def refuse(Z: NDArray, y: NDArray, regression: bool, seed: int) -> Any:
    raise TypeError("these estimators are not trained on prepared samples")


METHODS: dict[str, Method] = {
    "cvx": Cvx(refuse, package="cvx-relu"),
    "linear": Method(linear),
    "mlp": Method(mlp),
    "mlp-tuned": Method(mlp_tuned),
    "svm": Method(svm),
    "svm-tuned": Method(svm_tuned),
    "forest": Method(forest, scaled=False),
    "lightgbm": Method(lightgbm, scaled=False, package="lightgbm"),
}


def chosen(model: Any) -> dict[str, Any] | None:
    """The settings that a search has chosen."""
    last = model[-1] if isinstance(model, Pipeline) else model
    found = getattr(getattr(last, "regressor_", last), "best_params_", None)
    return found and {name: value if isinstance(value, tuple) else float(value) for name, value in found.items()}
