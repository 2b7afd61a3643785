"""The base class of classifier and regressor."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from cvx_relu import _native
from cvx_relu._constraints import sets, signs
from cvx_relu._labels import positive_weights
from cvx_relu._proofs import Bounds
from cvx_relu._records import Patches, Record
from cvx_relu._results import (
    Certificate,
    InterruptedWarning,
    RawWeights,
    TargetCertificate,
    Verification,
    columns,
    columns_by_target,
    table,
)
from cvx_relu._table import Table, as_rows, as_table, choices, is_frame, is_images, is_plain

#: The parameters that both estimators have, for their docstrings.
PARAMETERS = """
Parameters
----------
patterns : int or "auto", default="auto"
    Number of activation patterns to sample; "auto" chooses it from the number of samples.
beta : float, default=None
    Weight of the regulariser. If neither `beta` nor `beta_fraction` is given, `refine` is 0 and `certify` is not
    "global", `fit` chooses it: it trains along a path of betas on parts of the samples, and takes the beta with the
    least loss on the others. The table of `points_` has every beta that was tried.
beta_fraction : float, default=None
    The same weight as a fraction of max ||X'D_i y||, a beta for which the zero network is optimal.
folds : int or "auto", default="auto"
    Number of parts of the samples of which each is held out in turn to choose beta; the network is the mean of those of
    the folds. "auto" takes five up to 5,000 samples; beyond, a fifth is held out once, and the network is trained again
    on all samples.
ensemble : int or "auto", default="auto"
    Number of networks with other seeds that are averaged into one, where beta is chosen: three up to 500 samples, else
    one.
budget : float, default=None
    Seconds for `fit` where beta is chosen: no other beta is tried after three quarters of it.
activation : {"auto", "relu", "gated"}, default="auto"
    ReLU neurons are active where x'w >= 0, gated neurons where x'h >= 0 for a fixed gate h. "auto" is gated where beta
    is chosen, and ReLU at a given beta.
gates : {"auto", "gaussian", "whitened", "local", "pairs", "mixed", "conv"} or array (d x P), default="auto"
    How gates are drawn, or your own gates on transformed features with the bias last; then `patterns` is not used.
    "conv" is for images: gated neurons on their patches. "auto" takes it where beta is chosen, for images of at least
    16 x 16 pixels.
patch, stride, regions : int, default=None
    For gates="conv", which the parameters of patches imply: side of a patch in pixels, pixels from one patch to the
    next, and regions along each side of an image that have their own weights; by default chosen from the size of the
    images.
flips : bool, default=None
    Whether an image and its mirror image (left and right exchanged) have the same prediction; by default those in
    colour.
patch_gates : {"clusters", "random"}, default="clusters"
    Whether gates are centres of clusters of training patches, or training patches.
active : float, default=0.2
    Share of training patches for which a gate is on.
whitening : float, default=0.1
    Share of the mean variance that is added to the variance of each principal direction of patches before it is scaled
    to 1; 0 or None leaves patches as they are.
directions : int, default=32
    Principal directions of a patch that neurons are linear in.
feature_precision : {"single", "half"}, default=None
    What features of patches are rounded to; by default single precision, and half where only these fit in memory.
output_bias : bool or "auto", default="auto"
    Whether a number without penalty is added to each output; "auto" adds it where beta is chosen.
refine : int, default=0
    Maximum number of refinement rounds: neurons become gates and the programme is solved again.
loss : {"squared", "logistic", "squared-hinge", "huber", "multinomial"}, default="squared"
    Loss of an output; "logistic", "squared-hinge" and "multinomial" are for classes.
huber_delta : float, default=None
    Distance from the target beyond which the Huber loss is linear; 1 if it is not given.
normalize : {"auto", "none", "global", "column"}, default="auto"
    How features are scaled; "auto" is "global" for images and "column" for other data.
image : tuple (channels, height, width), default=None
    Shape of the images if the features are pixels, in the order channel, row, column. Arrays with these axes
    (n x channels x height x width) need no `image`.
categorical, numeric, drop, dates : list of columns, default=None
    Columns of a table that are categories though written as numbers, that are numbers though written as texts, that are
    left out, and that are dates, which become days since 1970. By name, or by number from 0.
monotonic_cst : dict or sequence of -1, 0 and 1, default=None
    1 for columns along which predictions (of two classes, the score of the second) never fall, -1 for columns along
    which they never rise; a dictionary by name or by number from 0, or a number for each column. It holds on all inputs
    to the last bit. Not for several classes.
convexity_cst : dict or sequence of -1, 0 and 1, default=None
    1 for columns along which, together, predictions are convex, -1 for columns along which they are concave.
interaction_cst : {"pairwise", "no_interactions"} or sequence of sets of columns, default=None
    Sets of columns that may interact: predictions are a sum of functions of one set each. Columns in none of them form
    one more set.
nonnegative : bool, default=False
    Whether the predictions of a regression are never negative, because no neuron is subtracted. Not with an output
    bias: give `output_bias=False`, or leave it at "auto".
output_range : tuple of two numbers, default=None
    Predictions of a regression are clipped to this interval, which has to contain all targets.
bias : bool, default=True
    Whether a column of ones is added.
prune : bool, default=True
    Whether neurons that the network does not need are removed.
random_state : int, RandomState or None, default=0
    Seed of the gates and of the parts. The same seed gives the same bits for any number of threads; None draws a new
    seed every time.
gap : float, default=1e-3
    Certified relative gap at which training stops.
certify : {"network", "sampled", "global"}, default="network"
    Whether the gap is that of the network, or that of a feasible point of the sampled programme. "global" compares the
    network with all activation patterns and widths, for ReLU neurons on up to four features.
max_iterations : int, default=20000
    Maximum number of iterations in each round.
time_limit : float, default=None
    Seconds after which training stops with the best network so far.
solver : str, default="auto"
    Solver of the linear system in every iteration; "auto" chooses the fastest one that fits the memory.
rank : int, default=None
    Rank of the sketch, for solvers that use one; by default it adapts.
rho, sigma : float, default=None
    Initial penalty and weight of the cone constraints; by default chosen from the data.
device : {"auto", "cpu", "cuda", "cuda:I"}, default="auto"
    Where to train; "auto" uses the first GPU if there is one that works.
precision : {"f32", "f64"}, default="f32"
    Storage precision of matrices; the certificate is always computed in float64.
threads : int, default=0
    Number of CPU threads; 0 uses one per core.
memory_budget : float, default=None
    Gigabytes that the run may use; by default nine tenths of the free memory.
"""

Callback = Callable[[Record], Any]


class ConvexReLU(Bounds, BaseEstimator):
    """Base class: parameters, training and the attributes of a fitted network."""

    #: Whether the targets are numbers.
    _regression: bool

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
        self.patterns = patterns
        self.beta = beta
        self.beta_fraction = beta_fraction
        self.folds = folds
        self.ensemble = ensemble
        self.budget = budget
        self.activation = activation
        self.gates = gates
        self.patch = patch
        self.stride = stride
        self.regions = regions
        self.flips = flips
        self.patch_gates = patch_gates
        self.active = active
        self.whitening = whitening
        self.directions = directions
        self.feature_precision = feature_precision
        self.output_bias = output_bias
        self.refine = refine
        self.loss = loss
        self.huber_delta = huber_delta
        self.normalize = normalize
        self.image = image
        self.categorical = categorical
        self.numeric = numeric
        self.drop = drop
        self.dates = dates
        self.monotonic_cst = monotonic_cst
        self.convexity_cst = convexity_cst
        self.interaction_cst = interaction_cst
        self.nonnegative = nonnegative
        self.output_range = output_range
        self.bias = bias
        self.prune = prune
        self.random_state = random_state
        self.gap = gap
        self.certify = certify
        self.max_iterations = max_iterations
        self.time_limit = time_limit
        self.solver = solver
        self.rank = rank
        self.rho = rho
        self.sigma = sigma
        self.device = device
        self.precision = precision
        self.threads = threads
        self.memory_budget = memory_budget

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        callback: Callback | None = None,
        test: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> Self:
        """Trains on the samples `X` (n x d, or images of n x channels x height x width) and their labels `y`.

        `X` is an array of numbers, in which NaN is a missing value, or a table of pandas or polars with numbers, texts,
        categories, booleans and missing values. A table is encoded: a 0/1 feature for each category, the median or the
        most frequent category for a missing value with a 0/1 feature that says where. Identifiers, constant features
        and copies are dropped.

        `sample_weight` (n) multiplies the loss of each sample; samples of weight 0 are left out. `callback` is called
        with a dictionary after every iteration, in the calling thread. If it returns something true, the run ends with
        the best network so far. If it raises an exception, the run ends too, and `fit` raises the exception again.
        `test` holds samples and labels for evaluation only: their loss and accuracy are columns of `history_`.
        Where the network is the mean of those of folds, these columns are of the samples that each fold held out.

        Ctrl-C ends the run as well: the best network so far is kept, `status_` is ``"Interrupted"``, and `fit` gives an
        `InterruptedWarning`. A run that misses its gap for another reason gives a `ConvergenceWarning`.

        Raises
        ------
        ValueError
            Invalid samples or parameters.
        MemoryError
            The run does not fit the memory budget; it is checked before anything is allocated.
        RuntimeError
            The requested device is not available.
        """
        data = self._training_data(X, y, sample_weight)
        watched = None if test is None else self._labelled_data(*test, recipe=data.recipe)
        parameters = self._parameters()
        return self._take(_native.fit(data, watched, parameters, regression=self._regression, callback=callback))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the network as a model file, atomically: `cvx predict` and `cvx_relu.load` read it."""
        check_is_fitted(self)
        self.model_.save(path)

    def verify(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Verification:
        """Recomputes the objective and the certificate on the training samples, by code independent of the training.

        Raises
        ------
        ValueError
            The samples are not those of `fit`.
        """
        check_is_fitted(self)
        data = self._labelled_data(X, y, sample_weight, recipe=self.model_.recipe)
        return Verification(**self.model_.verify(data))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the features that the network sees (d): those that the columns of a table become."""
        check_is_fitted(self)
        names = self.model_.feature_names
        return np.array(
            names if names is not None else [f"x{at}" for at in range(len(self.model_.scale))], dtype=object
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def raw_weights(self) -> RawWeights:
        """The weights of the network on the features before scaling, those of `get_feature_names_out`.

        Raises
        ------
        ValueError
            The neurons are on patches: their weights are not on features. `patches_` says what they are on.
        """
        check_is_fitted(self)
        if self.model_.patches is not None:
            raise ValueError("neurons on patches have no weights on features: see w1_, gates_ and patches_")
        w1, b1 = self._untransformed(self.w1_)
        gates, thresholds = (None, None) if self.gates_ is None else self._untransformed(self.gates_)
        return RawWeights(w1, b1, self.w2_, gates, thresholds, self.output_bias_)

    @property
    def certificate_(self) -> Certificate:
        """Objective of the network, its lower bound and the certified gap."""
        network, dual_bound, relative_gap, sampled_primal = self.model_.objective
        return Certificate(network, dual_bound, relative_gap, self.model_.certify, sampled_primal)

    @property
    def status_(self) -> str:
        """How the run ended: ``"Optimal"``, ``"IterationLimit"``, ``"TimeLimit"``, ``"Interrupted"``, .."""
        return self.model_.status

    @property
    def n_neurons_(self) -> int:
        """Number of neurons m."""
        return len(self.w2_)

    @property
    def n_iter_(self) -> int:
        """Number of iterations, of all rounds together."""
        return self.model_.iterations

    @property
    def beta_(self) -> float:
        """Weight of the regulariser."""
        return self.model_.beta

    @property
    def solver_(self) -> str:
        """Solver of the linear system in every iteration."""
        return self.model_.solver

    @property
    def device_(self) -> str:
        """Where the network was trained: ``"cpu"`` or ``"cuda"``."""
        return self.model_.device

    @property
    def w1_(self) -> NDArray[np.float64]:
        """First layer (d x m) on transformed features, the bias last; see `raw_weights` for the original ones.

        For neurons on patches, d is the number of features of a gate: regions x regions x values.
        """
        return self.model_.w1

    @property
    def w2_(self) -> NDArray[np.float64]:
        """Second layer (m x C)."""
        return self.model_.w2

    @property
    def output_bias_(self) -> NDArray[np.float64]:
        """What is added to the outputs (C); zeros without an output bias."""
        return np.array(self.model_.output_bias)

    @property
    def gates_(self) -> NDArray[np.float64] | None:
        """Gates (d x m) of gated neurons on transformed features, or on a patch with a 1; None for ReLU."""
        return self.model_.gates

    @property
    def patches_(self) -> Patches | None:
        """What the gates of neurons on patches have in common; None where neurons see the whole sample."""
        return self.model_.patches

    def _chooses_beta(self) -> bool:
        """Whether `fit` chooses beta."""
        given = self.beta is not None or self.beta_fraction is not None
        return not given and self.refine == 0 and self.certify != "global"

    def _parameters(self) -> dict[str, Any]:
        """The parameters in the form that the native module expects."""
        seed = self.random_state
        if not isinstance(seed, Integral):
            seed = int(check_random_state(seed).randint(np.iinfo(np.int32).max))
        gates = self.gates if isinstance(self.gates, str) else np.asarray(self.gates, dtype=np.float64)
        width = self.n_features_in_
        parameters = {
            **self.get_params(deep=False),
            "random_state": seed,
            "gates": gates,
            "monotonic_cst": signs(self.monotonic_cst, "monotonic_cst", width),
            "convexity_cst": signs(self.convexity_cst, "convexity_cst", width),
            "interaction_cst": sets(self.interaction_cst, width),
        }
        return {
            name: value for name, value in parameters.items() if name not in ("categorical", "numeric", "drop", "dates")
        }

    def _labels(self, y: ArrayLike) -> Any:
        """The labels as keyword arguments of `_native.Data`."""
        raise NotImplementedError

    def _checked(self, X: ArrayLike, y: ArrayLike, *, first: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        """Samples and labels as arrays; the first call sets names and number of the features."""
        raise NotImplementedError

    def _checked_labels(self, y: ArrayLike) -> NDArray[Any]:
        """The labels of a table."""
        raise NotImplementedError

    def _choices(self) -> dict[str, list[str]]:
        """The columns of a table that are what the parameters say."""
        return {name: choices(getattr(self, name), name) for name in ("categorical", "numeric", "dates", "drop")}

    def _table(self, X: Any, recipe: _native.Recipe | None, *, first: bool) -> Table | None:
        """The samples as a table, unless they are numbers that need no encoding."""
        if first:
            chosen = any(self._choices().values())
            if is_plain(X) and not chosen:
                return None
        elif recipe is None:
            return None
        if not is_frame(X):
            X = validate_data(self, X, reset=first, dtype=np.float64, ensure_all_finite="allow-nan")
        table = as_table(X, [*(self.dates or []), *(self.drop or [])] if first else None)
        if first:
            self.n_features_in_ = len(table.columns)
            if table.names is not None:
                self.feature_names_in_ = np.array(table.names, dtype=object)
            elif hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
        return table

    def _image_of(self, X: Any) -> tuple[int, int, int] | None:
        """The shape of images: their own where they have four axes, else that of the parameter."""
        if not is_images(X):
            return self.image
        shape: tuple[int, int, int] = X.shape[1:]
        if self.image is not None and tuple(self.image) != shape:
            raise ValueError(f"image is {self.image!r}, but X has images of {shape}: leave image at None")
        return shape

    def _samples(
        self, X: ArrayLike, y: ArrayLike, recipe: _native.Recipe | None, *, first: bool
    ) -> tuple[NDArray[Any] | Table, NDArray[Any]]:
        """Samples and labels; the first call sets names and number of the columns."""
        X = as_rows(X)
        table = self._table(X, recipe, first=first)
        if table is None:
            return self._checked(X, y, first=first)
        labels = self._checked_labels(y)
        if len(table) != len(labels):
            raise ValueError(f"X has {len(table)} rows and y has {len(labels)} labels: give one label per row")
        return table, labels

    def _training_data(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> _native.Data:
        return self._data(*self._samples(X, y, None, first=True), sample_weight, image=self._image_of(X))

    def _labelled_data(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, *, recipe: _native.Recipe | None
    ) -> _native.Data:
        return self._data(*self._samples(X, y, recipe, first=False), sample_weight, recipe, image=self._image_of(X))

    def _data(
        self,
        X: NDArray[Any] | Table,
        y: NDArray[Any],
        sample_weight: ArrayLike | None,
        recipe: _native.Recipe | None = None,
        *,
        image: tuple[int, int, int] | None,
    ) -> _native.Data:
        weights = positive_weights(sample_weight, len(X))
        if weights is not None and not weights.all():
            X, y, weights = X[weights > 0], y[weights > 0], weights[weights > 0]
        if isinstance(X, Table):
            return _native.Data.table(
                X.columns, X.names, recipe=recipe, choices=self._choices(), weights=weights, **self._labels(y)
            )
        names = list(self.feature_names_in_) if hasattr(self, "feature_names_in_") else None
        return _native.Data(X, **self._labels(y), weights=weights, feature_names=names, image=image)

    def _scores(self, X: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.uintp]]:
        data = self._new_data(X, stacklevel=4)
        return self.model_.predict(data)

    def _new_data(self, X: ArrayLike, stacklevel: int) -> _native.Data:
        """Samples to predict; `stacklevel` is that of a warning that the user sees."""
        check_is_fitted(self)
        recipe = self.model_.recipe
        X = as_rows(X)
        table = self._table(X, recipe, first=False)
        if table is None:
            data = _native.Data(validate_data(self, X, reset=False, dtype=[np.float64, np.float32]))
        else:
            data = _native.Data.table(table.columns, table.names, recipe=recipe)
            ignored, unknown = data.notes
            if ignored:
                warnings.warn(
                    f"not used, because the network was trained without: {', '.join(ignored)}", stacklevel=stacklevel
                )
            for column, level, rows in unknown:
                count = f"{rows} {'row' if rows == 1 else 'rows'}"
                message = f"{column}: {count} with a category that was not in training, such as {level!r}"
                warnings.warn(message, stacklevel=stacklevel)
        return data

    def _take(self, fit: _native.Fit) -> Self:
        """Stores the result of a run, then raises or warns if something went wrong."""
        self.model_ = fit.model
        self.history_ = columns(fit.history)
        self.target_history_ = columns_by_target(fit.history_by_target)
        self.target_certificates_ = [TargetCertificate(**target) for target in fit.targets]
        self.points_ = table(fit.points)
        if fit.raised is not None:
            raise fit.raised
        if fit.interrupted:
            message = "interrupted: the best network so far was kept, with a relative gap of"
            warnings.warn(f"{message} {self.certificate_.relative_gap:.1e}", InterruptedWarning, stacklevel=3)
        elif self.status_ not in ("Optimal", "Interrupted"):
            reached = f"the run ended with {self.status_} at a relative gap of {self.certificate_.relative_gap:.1e}"
            failure = "" if fit.failure is None else f" ({fit.failure})"
            warnings.warn(f"{reached}{failure}: {fit.advice}", ConvergenceWarning, stacklevel=3)
        if fit.passed_over is not None:
            warnings.warn(f"cuda:0 was not used: {fit.passed_over}", UserWarning, stacklevel=3)
        return self

    def _untransformed(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights (d x m, the bias last) on transformed features as weights and biases on the original features."""
        scale, offset = np.array(self.model_.scale), np.array(self.model_.offset)
        raw = weights[: len(scale)] / scale[:, np.newaxis]
        added = weights[-1] if self.model_.bias else np.zeros(weights.shape[1])
        return raw, added - offset @ raw
