"""What a run returns beside the network."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from cvx_relu._records import Record

#: The columns of ``history_`` that hold whole numbers.
COUNTS = ("iteration", "inner_iterations")


class InterruptedWarning(UserWarning):
    """A run was ended by Ctrl-C, and the best network so far was kept."""


class Certificate(NamedTuple):
    """How good a network is proved to be, evaluated in float64."""

    #: Objective of the network: loss + beta/2 (squared weights).
    network: float
    #: Lower bound of the convex programme over the sampled patterns.
    dual_bound: float
    #: Of the certificate that was asked for; 0 for a network below the bound.
    relative_gap: float
    #: Which one that is: ``"network"`` or ``"sampled"``.
    certify: str
    #: Objective of a feasible point of the programme, where one better than zero was computed.
    sampled_primal: float | None


class Verification(NamedTuple):
    """What a check of a network's claims found; ``holds`` says whether all of them stand."""

    network: float
    loss: float
    accuracy: float | None
    dual_bound: float | None
    relative_gap: float | None
    network_agrees: bool
    bound_agrees: bool
    gap_agrees: bool
    holds: bool


class RawWeights(NamedTuple):
    """A network on features as they come, not transformed: ``np.maximum(X @ w1 + b1, 0) @ w2``.

    With gated neurons it is ``((X @ gates + gate_thresholds >= 0) * (X @ w1 + b1)) @ w2``.
    """

    #: First layer (d x m).
    w1: NDArray[np.float64]
    #: What it adds (m).
    b1: NDArray[np.float64]
    #: Second layer (m x C).
    w2: NDArray[np.float64]
    #: Gates (d x m), and what they add (m); None for ReLU.
    gates: NDArray[np.float64] | None
    gate_thresholds: NDArray[np.float64] | None


def columns(history: list[Record]) -> dict[str, NDArray[Any]]:
    """The records of a run as one array for each column, NaN where nothing was evaluated."""
    rows = cast("list[dict[str, Any]]", history)
    return {
        name: np.array([row[name] for row in rows], dtype=np.int64 if name in COUNTS else np.float64)
        for name in Record.__annotations__
    }
