"""The regularisation path: many betas on one factorisation, and the choice of one on held-out samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from cvx_relu import _native
from cvx_relu._classifier import ConvexReLUClassifier
from cvx_relu._records import Point
from cvx_relu._regressor import ConvexReLURegressor
from cvx_relu._results import InterruptedWarning

Estimator = TypeVar("Estimator", ConvexReLUClassifier, ConvexReLURegressor)


@dataclass(frozen=True)
class Path(Generic[Estimator]):
    """The result of a path."""

    #: An array for each column, with a row for each beta, the largest first: fraction, beta, status, network,
    #: sampled_primal, dual_bound, relative_gap, iterations, seconds, neurons, train_loss, train_accuracy,
    #: validation_loss, validation_accuracy, error (mean error of a held-out sample) and standard_error. A number that
    #: was not computed is NaN.
    points: dict[str, NDArray[Any]]
    #: The zero network is optimal for this beta and larger ones, on the first part of the samples.
    gated_beta_max: float
    #: Index of the chosen row; None if the path was cut short.
    chosen: int | None
    #: What ended the path before its last beta: ``"Interrupted"``, ``"TimeLimit"`` or ``"DeviceError"``.
    cut_short: str | None
    #: The network on all samples at the chosen beta; None if the path was cut short.
    estimator: Estimator | None


def path(
    estimator: Estimator,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    betas: int = 50,
    beta_ratio: float = 1e-3,
    path_gap: float = 1e-2,
    validation: float = 0.2,
    folds: int | None = None,
    choose: str = "best",
    callback: Callable[[Point], Any] | None = None,
    test: tuple[ArrayLike, ArrayLike] | None = None,
) -> Path[Estimator]:
    """Trains along a path of betas, chooses one on held-out samples, and trains a copy of `estimator` on all samples.

    Parameters
    ----------
    estimator
        Its parameters are those of every run, except `beta` and `beta_fraction`; `time_limit` is for all runs together.
    betas, beta_ratio
        Number of betas, and the ratio of the smallest one to `gated_beta_max`, for which the zero network is optimal.
        The betas are in equal ratios.
    path_gap
        Certified relative gap at every beta; `gap` of the estimator is for the last run.
    validation, folds
        The share of samples that is held out, or the number of parts of which each is held out in turn.
    choose : {"best", "sparsest"}
        The beta with the smallest error, or the largest within one standard error of it.
    callback
        Called with a dictionary after every beta; a true result cuts the path short.

    Ctrl-C cuts the path short: the betas so far are returned, without an estimator.

    >>> from cvx_relu import ConvexReLUClassifier, path
    >>> from sklearn.datasets import make_moons
    >>> X, y = make_moons(300, noise=0.2, random_state=0)
    >>> found = path(ConvexReLUClassifier(), X, y, betas=10)
    >>> len(found.points["beta"]), found.estimator.score(X, y) > 0.9
    (10, True)
    """
    estimator = clone(estimator)
    data = estimator._training_data(X, y, sample_weight)
    found = _native.path(
        data,
        None if test is None else estimator._labelled_data(*test, recipe=data.recipe),
        estimator._parameters(),
        regression=estimator._regression,
        betas=betas,
        beta_ratio=beta_ratio,
        path_gap=path_gap,
        validation=validation,
        folds=folds,
        choose=choose,
        callback=callback,
    )
    if found.raised is not None:
        raise found.raised
    rows = found.points
    # A regression has no accuracy.
    known = [{name: np.nan if value is None else value for name, value in row.items()} for row in rows]
    points = {name: np.array([row[name] for row in known]) for name in (known[0] if known else [])}
    fitted = None
    if found.fit is not None and found.chosen is not None:
        fitted = estimator.set_params(beta=None, beta_fraction=rows[found.chosen]["fraction"])._take(found.fit)
    elif found.interrupted:
        warnings.warn("interrupted: the path was cut short, and has no network", InterruptedWarning, stacklevel=2)
    return Path(points, found.gated_beta_max, found.chosen, found.cut_short, fitted)
