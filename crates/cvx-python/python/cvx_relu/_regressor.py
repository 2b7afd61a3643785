"""The regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_array, validate_data

from cvx_relu._base import PARAMETERS, ConvexReLU


class ConvexReLURegressor(RegressorMixin, ConvexReLU):
    __doc__ = f"""A two-layer ReLU network for regression, trained by convex optimisation, with a certificate.
    {PARAMETERS}
Attributes
----------
status_, certificate_, history_, n_iter_, beta_
    How the run ended, the certificate of the network, and the history of the iterations, an array for each column.
target_certificates_, target_history_
    With several targets, the part of each in the certificate, and in the evaluated iterations, which are not recorded
    for the mean of several networks.
n_neurons_, w1_, w2_, gates_, patches_
    The network on transformed features; `raw_weights()` returns it on the original features.
n_features_in_, feature_names_in_
    Number and names of the features.

Examples
--------
>>> import numpy as np
>>> from cvx_relu import ConvexReLURegressor
>>> X = np.linspace(-1, 1, 100)[:, np.newaxis]
>>> network = ConvexReLURegressor().fit(X, np.abs(X[:, 0]))
>>> network.status_, network.score(X, np.abs(X[:, 0])) > 0.99
('Optimal', True)
"""

    _regression = True

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predictions (n), or (n x targets) for several targets."""
        scores, _ = self._scores(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict_interval(self, X: ArrayLike, coverage: float = 0.9) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper ends of intervals that contain the target of a new sample with this probability.

        They come from the errors of the predictions on held-out samples, which `fit` has where it chose beta.

        Raises
        ------
        NotFittedError
            The network was trained at a given beta, without held-out samples.
        """
        prediction = self.predict(X)
        widths = self.model_.half_widths(coverage)
        if widths is None:
            raise NotFittedError("this network has no intervals: leave beta to fit")
        width = np.array(widths) if prediction.ndim > 1 else widths[0]
        return prediction - width, prediction + width

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _labels(self, y: ArrayLike) -> dict[str, NDArray[np.float64]]:
        targets = np.asarray(y, dtype=np.float64)
        return {"targets": targets.reshape(len(targets), -1)}

    def _checked(self, X: ArrayLike, y: ArrayLike, *, first: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        # One sample cannot be held out from itself.
        fewest = 2 if first and self._chooses_beta() else 1
        kinds = [np.float64, np.float32]
        return validate_data(  # type: ignore[no-any-return]
            self, X, y, reset=first, dtype=kinds, multi_output=True, y_numeric=True, ensure_min_samples=fewest
        )

    def _checked_labels(self, y: ArrayLike) -> NDArray[Any]:
        return check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")  # type: ignore[no-any-return]
