"""Constraints on predictions, as lists for the native module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from cvx_relu._table import choices

#: The names that scikit-learn has for sets of columns that may interact.
SETS = ("pairwise", "no_interactions")


def signs(given: Any, parameter: str, n_columns: int) -> list[tuple[str, int]]:
    """The columns with a sign of 1 or -1: by name or by number from 0 in a dictionary, or all in their order."""
    expected = "None, a dictionary of -1, 0 or 1 by column, or a sequence of them"
    if given is None:
        return []
    if isinstance(given, Mapping):
        columns, values = choices(list(given), parameter), list(given.values())
    elif isinstance(given, str | bytes) or not hasattr(given, "__iter__"):
        raise ValueError(f"{parameter} is {given!r}, but it must be {expected}")
    else:
        columns, values = choices(list(range(n_columns)), parameter), list(given)
        if len(values) != n_columns:
            raise ValueError(f"{parameter} has {len(values)} signs, but X has {n_columns} columns: give one for each")
    if any(value not in (-1, 0, 1) for value in values):
        raise ValueError(f"{parameter} is {given!r}, but it must be {expected}")
    return [(column, int(value)) for column, value in zip(columns, values, strict=True) if value != 0]


def sets(given: Any, n_columns: int) -> list[list[str]] | None:
    """The sets of columns that may interact, None if all may; columns in none of them form one more."""
    if given is None:
        return None
    if isinstance(given, str):
        if given not in SETS:
            raise ValueError(f"interaction_cst is {given!r}, but it must be None, one of {', '.join(SETS)}, or sets")
        size = 2 if given == "pairwise" and n_columns > 1 else 1
        given = combinations(range(n_columns), size)
    elif not hasattr(given, "__iter__") or any(
        isinstance(one, str | bytes | int | np.integer) or not hasattr(one, "__iter__") for one in given
    ):
        raise ValueError(f"interaction_cst is {given!r}, but it must be a sequence of sets of columns")
    return [choices(_sorted(one), "interaction_cst") for one in given]


def _sorted(columns: Any) -> Sequence[Any]:
    """The same sets give the same run, in whatever order they iterate."""
    return sorted(columns, key=lambda column: (isinstance(column, str), column))
