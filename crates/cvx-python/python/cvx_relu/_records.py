"""Types of the dictionaries that the native module returns."""

from __future__ import annotations

from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray


class Record(TypedDict):
    """One iteration; numbers that were not evaluated are None."""

    iteration: int
    seconds: float
    network: float | None
    dual_bound: float | None
    relative_gap: float | None
    train_loss: float | None
    train_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    primal_residual: float
    dual_residual: float
    rho: float
    inner_iterations: int


class TargetsRecord(TypedDict):
    """An evaluated iteration by target; each list has a number for each target."""

    iteration: int
    network: list[float]
    dual_bound: list[float]
    relative_gap: list[float]


class Target(TypedDict):
    """The certificate of one target; numbers are None for a loss that couples the targets."""

    name: str
    network: float | None
    dual_bound: float | None
    relative_gap: float | None
    sampled_primal: float | None
    neurons: int


class Point(TypedDict):
    """One beta of a path, as a callback receives it."""

    fraction: float
    relative_gap: float
    validation_loss: float
    validation_accuracy: float | None


class Row(TypedDict):
    """One beta of a path: means or sums over its folds."""

    fraction: float
    beta: float
    status: str
    network: float
    sampled_primal: float | None
    dual_bound: float
    relative_gap: float
    iterations: int
    seconds: float
    neurons: float
    train_loss: float
    train_accuracy: float | None
    validation_loss: float
    validation_accuracy: float | None
    error: float
    standard_error: float
    mean_loss: float
    mean_loss_error: float


class Known(TypedDict):
    """The parameters that a model file records."""

    patterns: int
    beta: float
    activation: str
    gates: str
    patch: int | None
    stride: int | None
    regions: int | None
    flips: bool | None
    directions: int
    feature_precision: str | None
    loss: str
    huber_delta: float | None
    normalize: str
    image: tuple[int, int, int] | None
    output_bias: bool
    monotonic_cst: list[int] | None
    convexity_cst: list[int] | None
    interaction_cst: list[list[int]] | None
    nonnegative: bool
    output_range: tuple[float, float] | None
    bias: bool
    random_state: int
    certify: str
    solver: str
    precision: str


class Patches(TypedDict):
    """What the gates of neurons on patches have in common."""

    #: Channels, height and width of the images.
    image: tuple[int, int, int]
    #: Side of a patch, and pixels from one to the next.
    side: int
    stride: int
    #: Regions along each side of an image.
    regions: int
    #: Whether an image and its mirror image have the same prediction.
    mirrored: bool
    #: What is added to the variance of a patch, as a standard deviation of transformed pixels.
    contrast: float
    #: What features are rounded to: "single" or "half".
    feature_precision: str
    #: The values of a patch that neurons are linear in, a column each (pixels of a patch and a 1, x values).
    values: NDArray[np.float64]


class Verified(TypedDict):
    """The result of a verification."""

    network: float
    loss: float
    accuracy: float | None
    dual_bound: float | None
    relative_gap: float | None
    network_agrees: bool
    bound_agrees: bool
    gap_agrees: bool
    holds: bool
    constraints_hold: NotRequired[bool]
