"""What is proved about a fitted network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from cvx_relu import _native
from cvx_relu._results import Certified


def work(deployed: str, nodes: int, time_limit: float | None) -> dict[str, Any]:
    """How far a search for a proof goes, and the arithmetic that its claims are about."""
    return {"deployed": deployed, "nodes": nodes, "time_limit": time_limit}


class Bounds:
    """Bounds of the outputs of a network, and of their differences from another one's."""

    model_: _native.Model

    def output_bounds(
        self,
        lower: ArrayLike,
        upper: ArrayLike,
        *,
        tolerance: float = 1e-4,
        deployed: str = "f64",
        nodes: int = 100_000,
        time_limit: float | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper bounds (C each) of the outputs on the box `lower` <= x <= `upper` of features.

        The features (d) are those of `get_feature_names_out`. Outputs are those of the network: a prediction of a
        regression, the score of the second class in the order of the model, or the score of each class. The bounds are
        proved, rounding included, and tight up to `tolerance` times the width that intervals give; see
        the page on proofs. `nodes` and `time_limit` hold for each bound.

        Raises
        ------
        ValueError
            The box does not fit the network, or its neurons are on patches, or a limit was reached.
        """
        return self._bounds(None, lower, upper, tolerance, work(deployed, nodes, time_limit))

    def difference_bound(
        self,
        other: Bounds,
        lower: ArrayLike,
        upper: ArrayLike,
        *,
        tolerance: float = 1e-2,
        deployed: str = "f64",
        nodes: int = 100_000,
        time_limit: float | None = None,
    ) -> NDArray[np.float64]:
        """How far each output (C) can be from that of another network, on the box `lower` <= x <= `upper`.

        Raises
        ------
        ValueError
            The networks do not have the same features and outputs, or a limit was reached.
        """
        check_is_fitted(other)
        low, high = self._bounds(other.model_, lower, upper, tolerance, work(deployed, nodes, time_limit))
        return np.maximum(np.abs(low), np.abs(high))

    def _bounds(
        self, other: _native.Model | None, lower: ArrayLike, upper: ArrayLike, tolerance: float, limits: dict[str, Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        check_is_fitted(self)
        ends = [np.asarray(end, dtype=np.float64).ravel().tolist() for end in (lower, upper)]
        low, high = _native.output_bounds(self.model_, other, ends[0], ends[1], tolerance, limits)
        return np.array(low), np.array(high)


class Robustness:
    """Proofs that no input near a sample has another class."""

    model_: _native.Model
    classes_: NDArray[Any]

    if TYPE_CHECKING:

        def _new_data(self, X: ArrayLike, stacklevel: int) -> _native.Data: ...
        def _checked_labels(self, y: ArrayLike) -> NDArray[Any]: ...
        def _order(self) -> NDArray[np.intp]: ...

    def certify_robust(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        norm: str = "linf",
        eps: float,
        values: tuple[float, float] | None = None,
        deployed: str = "f64",
        nodes: int = 100_000,
        time_limit: float | None = 60.0,
    ) -> Certified:
        """Proves for each sample that no input within `eps` of it has another class, or finds one that has.

        The class is that of `y`, or that of `predict` without `y`. `eps` is in the units of the features, in the norm
        "linf" or "l2"; `values` are ends that perturbed features stay between ("linf"), as those of all samples do. Of
        a table, numbers that are not missing are perturbed, categories and dates are not. `time_limit` is in seconds
        for each sample.

        Returns
        -------
        Certified
            `proved` and `refuted` (n) of booleans; where both are false a limit was reached. `points` (n) has an input
            of another class where `refuted`, on the features of `get_feature_names_out`.

        Raises
        ------
        ValueError
            Invalid samples or arguments, or neurons on patches.
        """
        check_is_fitted(self)
        data = self._new_data(X, stacklevel=3)
        expected = None
        if y is not None:
            labels = self._checked_labels(y)
            unknown = np.setdiff1d(labels, self.classes_)
            if unknown.size:
                raise ValueError(f"y has the class {unknown[0]!r}, which the network does not know")
            expected = self._order()[np.searchsorted(self.classes_, labels)].tolist()
            check_consistent_length(X, y)
        limits = work(deployed, nodes, time_limit)
        names, points = _native.certify(self.model_, data, expected, norm, eps, values, limits)
        outcomes = np.array(names, dtype=object)
        found = [None if point is None else np.array(point) for point in points]
        return Certified(outcomes == "proved", outcomes == "refuted", found)

    def certified_radius(
        self,
        X: ArrayLike,
        *,
        norm: str = "linf",
        values: tuple[float, float] | None = None,
        tolerance: float = 0.01,
        deployed: str = "f64",
        nodes: int = 100_000,
        time_limit: float | None = 60.0,
    ) -> NDArray[np.float64]:
        """For each sample (n) a radius within which `certify_robust` proves its predicted class.

        It is found by bisection: where no limit is reached, no radius that is larger by the share `tolerance` holds.
        `nodes` and `time_limit` hold for each step, and no step begins after that time.
        """
        check_is_fitted(self)
        limits = work(deployed, nodes, time_limit)
        radii = _native.certified_radius(self.model_, self._new_data(X, stacklevel=3), norm, values, tolerance, limits)
        return np.array([proved for proved, _ in radii])
