"""Results of a run other than the network."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from cvx_relu._records import Record, Row, TargetsRecord

#: The columns of ``history_`` that hold whole numbers.
COUNTS = ("iteration", "inner_iterations")


class InterruptedWarning(UserWarning):
    """Ctrl-C ended a run, and the best network so far was kept."""


class Certificate(NamedTuple):
    """The certificate of a network, evaluated in float64."""

    #: Objective of the network: loss + beta/2 (squared weights).
    network: float
    #: Lower bound of the convex programme over the sampled patterns.
    dual_bound: float
    #: Relative gap of the chosen certificate; 0 for a network below the bound.
    relative_gap: float
    #: The chosen certificate: ``"network"`` or ``"sampled"``.
    certify: str
    #: Objective of a feasible point of the programme; None if none better than zero was computed.
    sampled_primal: float | None


class TargetCertificate(NamedTuple):
    """The part of one target in the certificate.

    The multinomial loss couples the targets: objective, bound and gap of a target are None then.
    """

    #: The class, or ``"target 0"`` of a regression.
    name: str
    network: float | None
    dual_bound: float | None
    #: The gap of this target alone.
    relative_gap: float | None
    sampled_primal: float | None
    #: Number of neurons with this output.
    neurons: int


class Verification(NamedTuple):
    """The result of a verification; ``holds`` is true if all claims hold."""

    network: float
    loss: float
    accuracy: float | None
    dual_bound: float | None
    relative_gap: float | None
    network_agrees: bool
    bound_agrees: bool
    gap_agrees: bool
    holds: bool
    #: Whether every weight has the sign that the constraints ask for; None without constraints.
    constraints_hold: bool | None = None


class Certified(NamedTuple):
    """What was proved about the samples of `certify_robust`."""

    #: Whether no input near the sample has another class (n).
    proved: NDArray[np.bool_]
    #: Whether one has, or the sample itself (n).
    refuted: NDArray[np.bool_]
    #: An input of another class where refuted, else None (n).
    points: list[NDArray[np.float64] | None]


class RawWeights(NamedTuple):
    """A network on the original features: ``np.maximum(X @ w1 + b1, 0) @ w2``.

    With gated neurons it is ``((X @ gates + gate_thresholds >= 0) * (X @ w1 + b1)) @ w2``; `output_bias` is added to
    both.
    """

    #: First layer (d x m).
    w1: NDArray[np.float64]
    #: Biases of the first layer (m).
    b1: NDArray[np.float64]
    #: Second layer (m x C).
    w2: NDArray[np.float64]
    #: Gates (d x m) and their biases (m); None for ReLU.
    gates: NDArray[np.float64] | None
    gate_thresholds: NDArray[np.float64] | None
    #: What is added to the outputs (C).
    output_bias: NDArray[np.float64]


def columns(history: list[Record]) -> dict[str, NDArray[Any]]:
    """The records of a run as one array for each column; numbers that were not evaluated are NaN."""
    rows = cast("list[dict[str, Any]]", history)
    return {
        name: np.array([row[name] for row in rows], dtype=np.int64 if name in COUNTS else np.float64)
        for name in Record.__annotations__
    }


def columns_by_target(history: list[TargetsRecord]) -> dict[str, NDArray[Any]]:
    """The evaluated iterations by target: their numbers (k), and an array (k x C) for each value."""
    rows = cast("list[dict[str, Any]]", history)
    return {
        name: np.array([row[name] for row in rows], dtype=np.int64 if name in COUNTS else np.float64)
        for name in TargetsRecord.__annotations__
    }


def table(rows: list[Row]) -> dict[str, NDArray[Any]]:
    """The points of a path as one array for each column; a number that was not computed is NaN."""
    known: list[dict[str, Any]] = [
        {name: np.nan if value is None else value for name, value in row.items()} for row in rows
    ]
    return {name: np.array([row[name] for row in known]) for name in (known[0] if known else [])}
