"""The regularisation path: many betas on one factorisation, and the choice of one on held-out samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from cvx_relu import _native
from cvx_relu._classifier import ConvexReLUClassifier
from cvx_relu._records import Point
from cvx_relu._regressor import ConvexReLURegressor
from cvx_relu._results import table

Estimator = TypeVar("Estimator", ConvexReLUClassifier, ConvexReLURegressor)


@dataclass(frozen=True)
class Path(Generic[Estimator]):
    """The result of a path."""

    #: An array for each column, with a row for each beta, the largest first: fraction, beta, status, network,
    #: sampled_primal, dual_bound, relative_gap, iterations, seconds, neurons, train_loss, train_accuracy,
    #: validation_loss, validation_accuracy, error (mean error of a held-out sample), standard_error, mean_loss (of a
    #: held-out sample, by which beta is chosen) and mean_loss_error. A number that was not computed is NaN.
    points: dict[str, NDArray[Any]]
    #: The zero network is optimal for this beta and larger ones, on the first part of the samples.
    gated_beta_max: float
    #: Index of the chosen row.
    chosen: int
    #: What ended the path before its last beta: ``"Interrupted"``, ``"TimeLimit"`` or ``"DeviceError"``.
    cut_short: str | None
    #: The network at the chosen beta. If the path was cut short, the mean of the networks of the folds as they were.
    estimator: Estimator


def path(
    estimator: Estimator,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    betas: int = 50,
    beta_ratio: float = 1e-3,
    path_gap: float = 1e-2,
    validation: float | None = None,
    folds: int | None = None,
    choose: str = "best",
    final: str = "retrained",
    callback: Callable[[Point], Any] | None = None,
    test: tuple[ArrayLike, ArrayLike] | None = None,
) -> Path[Estimator]:
    """Trains along a path of betas, chooses one on held-out samples, and returns a copy of `estimator` at it.

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
        The share of samples that is held out, or the number of parts of which each is held out in turn. By default
        five parts up to 5,000 samples, and a share of 0.2 beyond.
    choose : {"best", "sparsest"}
        The beta with the smallest mean loss, or the largest within one standard error of it.
    final : {"retrained", "mean"}
        The network of another run on all samples, or the mean of those of the folds.
    callback
        Called with a dictionary after every beta; a true result cuts the path short.

    Ctrl-C cuts the path short: the betas so far are returned.

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
        returned=final,
        callback=callback,
    )
    fitted = estimator.set_params(beta=None, beta_fraction=None)
    if found.points:
        fitted.set_params(beta_fraction=found.points[found.chosen]["fraction"])
    return Path(table(found.points), found.gated_beta_max, found.chosen, found.cut_short, fitted._take(found.fit))
