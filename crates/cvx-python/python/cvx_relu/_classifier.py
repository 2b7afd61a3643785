"""The classifier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, validate_data

from cvx_relu._base import PARAMETERS, ConvexReLU
from cvx_relu._labels import Named, class_name, named, positive_weights
from cvx_relu._native import Data
from cvx_relu._proofs import Robustness

#: Losses whose outputs are log-odds.
LOG_ODDS = ("logistic", "multinomial")


def _knows_probabilities(estimator: ConvexReLUClassifier) -> bool:
    """Whether there is a `predict_proba`: tools of scikit-learn ask by `hasattr`, before and after `fit`."""
    if hasattr(estimator, "model_"):
        knows = estimator.model_.knows_probabilities
    else:
        knows = estimator._chooses_beta() or estimator.loss in LOG_ODDS
    if not knows:
        raise AttributeError(
            "there are no probabilities: leave beta to fit, or choose loss='logistic' or 'multinomial'"
        )
    return True


class ConvexReLUClassifier(Robustness, ClassifierMixin, ConvexReLU):
    __doc__ = f"""A two-layer ReLU network for classification, trained by convex optimisation, with a certificate.

    Two classes are the targets -1 and +1; more classes are trained one against the rest.
    {PARAMETERS}class_weight : dict, "balanced" or None, default=None
    Weight of each class, multiplied with `sample_weight`; classes that a dictionary does not name have weight 1.

Attributes
----------
classes_ : array
    The classes.
status_, certificate_, history_, n_iter_, beta_
    How the run ended, the certificate of the network, and the history of the iterations, an array for each column.
target_certificates_, target_history_
    With several classes, the part of each in the certificate, and in the evaluated iterations, which are not recorded
    for the mean of several networks.
n_neurons_, w1_, w2_, gates_, patches_
    The network on transformed features; `raw_weights()` returns it on the original features.
n_features_in_, feature_names_in_
    Number and names of the features.

Examples
--------
>>> from sklearn.datasets import load_breast_cancer
>>> from sklearn.model_selection import train_test_split
>>> from cvx_relu import ConvexReLUClassifier
>>> X, y = load_breast_cancer(return_X_y=True)
>>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
>>> network = ConvexReLUClassifier(beta_fraction=0.01).fit(X_train, y_train)
>>> network.status_, network.score(X_test, y_test) > 0.9, bool(network.verify(X_train, y_train).holds)
('Optimal', True, True)
"""

    _regression = False

    def __init__(
        self,
        patterns: int | str = "auto",
        *,
        beta: float | None = None,
        beta_fraction: float | None = None,
        folds: int | str = "auto",
        ensemble: int | str = "auto",
        budget: float | None = None,
        activation: str = "auto",
        gates: str | ArrayLike = "auto",
        patch: int | None = None,
        stride: int | None = None,
        regions: int | None = None,
        flips: bool | None = None,
        patch_gates: str = "clusters",
        active: float = 0.2,
        whitening: float | None = 0.1,
        directions: int = 32,
        feature_precision: str | None = None,
        output_bias: bool | str = "auto",
        refine: int = 0,
        loss: str = "squared",
        huber_delta: float | None = None,
        class_weight: dict[Any, float] | str | None = None,
        normalize: str = "auto",
        image: tuple[int, int, int] | None = None,
        categorical: Sequence[Any] | None = None,
        numeric: Sequence[Any] | None = None,
        drop: Sequence[Any] | None = None,
        dates: Sequence[Any] | None = None,
        monotonic_cst: Mapping[Any, int] | Sequence[int] | None = None,
        convexity_cst: Mapping[Any, int] | Sequence[int] | None = None,
        interaction_cst: str | Sequence[Iterable[Any]] | None = None,
        nonnegative: bool = False,
        output_range: tuple[float, float] | None = None,
        bias: bool = True,
        prune: bool = True,
        random_state: int | np.random.RandomState | None = 0,
        gap: float = 1e-3,
        certify: str = "network",
        max_iterations: int = 20_000,
        time_limit: float | None = None,
        solver: str = "auto",
        rank: int | None = None,
        rho: float | None = None,
        sigma: float | None = None,
        device: str = "auto",
        precision: str = "f32",
        threads: int = 0,
        memory_budget: float | None = None,
    ) -> None:
        super().__init__(
            patterns,
            beta=beta,
            beta_fraction=beta_fraction,
            folds=folds,
            ensemble=ensemble,
            budget=budget,
            activation=activation,
            gates=gates,
            patch=patch,
            stride=stride,
            regions=regions,
            flips=flips,
            patch_gates=patch_gates,
            active=active,
            whitening=whitening,
            directions=directions,
            feature_precision=feature_precision,
            output_bias=output_bias,
            refine=refine,
            loss=loss,
            huber_delta=huber_delta,
            normalize=normalize,
            image=image,
            categorical=categorical,
            numeric=numeric,
            drop=drop,
            dates=dates,
            monotonic_cst=monotonic_cst,
            convexity_cst=convexity_cst,
            interaction_cst=interaction_cst,
            nonnegative=nonnegative,
            output_range=output_range,
            bias=bias,
            prune=prune,
            random_state=random_state,
            gap=gap,
            certify=certify,
            max_iterations=max_iterations,
            time_limit=time_limit,
            solver=solver,
            rank=rank,
            rho=rho,
            sigma=sigma,
            device=device,
            precision=precision,
            threads=threads,
            memory_budget=memory_budget,
        )
        self.class_weight = class_weight

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Outputs of the network: (n) for two classes, positive for the second; (n x classes) for more."""
        scores, _ = self._scores(X)
        order = self._order()
        if scores.shape[1] == 1:
            # Names and classes may be sorted differently: "10" comes before "2".
            return scores[:, 0] if order[0] == 0 else -scores[:, 0]
        scores = scores[:, order]
        return scores[:, 1] - scores[:, 0] if len(order) == 2 else scores

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The class of each sample (n)."""
        _, index = self._scores(X)
        place = np.argsort(self._order())
        return self.classes_[place[index]]

    @available_if(_knows_probabilities)
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probability of each class (n x classes).

        Where `fit` chose beta, they are fitted to the predictions on held-out samples; the class with the largest one
        may then differ from that of `predict`, where both are close. Of a logistic or multinomial loss at a given beta,
        the outputs are log-odds. A network of another loss at a given beta has no such method, because nothing tells
        how its outputs relate to probabilities.
        """
        scores, _ = self._scores(X)
        return self.model_.probabilities(scores)[:, self._order()]

    def _order(self) -> NDArray[np.intp]:
        """For each class its index in the classes of the model."""
        names = self.model_.classes
        return np.array([names.index(class_name(label)) for label in self.classes_], dtype=np.intp)

    def _parameters(self) -> dict[str, Any]:
        parameters = super()._parameters()
        if isinstance(self.class_weight, dict):
            parameters["class_weight"] = {class_name(label): weight for label, weight in self.class_weight.items()}
        return parameters

    def _labels(self, y: ArrayLike) -> Named:
        return named(y)

    def _checked(self, X: ArrayLike, y: ArrayLike, *, first: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        fewest = 2 if first else 1
        samples, labels = validate_data(
            self, X, y, reset=first, dtype=[np.float64, np.float32], ensure_min_samples=fewest
        )
        check_classification_targets(labels)
        return samples, labels

    def _checked_labels(self, y: ArrayLike) -> NDArray[Any]:
        labels = column_or_1d(check_array(y, ensure_2d=False, dtype=None, input_name="y"), warn=True)
        check_classification_targets(labels)
        return labels  # type: ignore[no-any-return]

    def _training_data(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> Data:
        samples, labels = self._samples(X, y, None, first=True)
        weights = positive_weights(sample_weight, len(samples))
        self.classes_ = np.unique(labels if weights is None else labels[weights > 0])
        return self._data(samples, labels, weights, image=self._image_of(X))
