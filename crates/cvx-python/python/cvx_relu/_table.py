"""Tables of pandas and polars, and arrays with missing values, as columns for the native module.

Neither pandas nor polars is imported here: whoever has such a table has imported its library.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cvx_relu._labels import class_name

#: Numbers with NaN where they are missing, or indices into texts.
Column: TypeAlias = NDArray[np.float64] | tuple[NDArray[np.uint32], list[str]]

#: The index of a missing text.
MISSING = np.iinfo(np.uint32).max

MICROSECONDS = 86_400e6


@dataclass(frozen=True)
class Table:
    """Columns of equal length, and their names if they have any."""

    columns: list[Column]
    names: list[str] | None

    def __len__(self) -> int:
        return len(_values(self.columns[0]))

    def __getitem__(self, rows: NDArray[np.bool_]) -> Table:
        columns: list[Column] = [
            (column[0][rows], column[1]) if isinstance(column, tuple) else column[rows] for column in self.columns
        ]
        return Table(columns, self.names)


def is_frame(X: Any) -> bool:
    """Whether the samples are a table of pandas or polars."""
    return _is_a(X, "pandas") or _is_a(X, "polars")


def is_images(X: Any) -> bool:
    """Whether the samples are an array of images: n x channels x height x width."""
    return isinstance(X, np.ndarray) and X.ndim == 4


def as_rows(X: Any) -> Any:
    """Images as rows of pixels, in the order channel, row, column; other samples as they are."""
    return X.reshape(len(X), math.prod(X.shape[1:])) if is_images(X) else X


def is_plain(X: Any) -> bool:
    """Whether the samples are numbers without missing values."""
    if _is_a(X, "pandas"):
        return all(kind.kind in "fiu" and not hasattr(kind, "na_value") for kind in X.dtypes) and not X.isna().any(
            axis=None
        )
    if _is_a(X, "polars"):
        numbers = all(kind.is_numeric() and not kind.is_decimal() for kind in X.dtypes)
        return numbers and not any(s.null_count() or (s.dtype.is_float() and s.is_nan().any()) for s in X)
    return not (isinstance(X, np.ndarray) and X.dtype.kind == "f" and np.isnan(X).any())


def as_table(X: Any, dates: Sequence[Any] | None) -> Table:
    """The columns of a table, or of an array of numbers. Only `dates` may hold dates, if it is given."""
    if _is_a(X, "pandas"):
        names, convert = [str(name) for name in X.columns], _of_pandas
        series = [X.iloc[:, at] for at in range(X.shape[1])]
    elif _is_a(X, "polars"):
        names, convert = list(X.columns), _of_polars
        series = X.get_columns()
    else:
        return Table([np.ascontiguousarray(X[:, at], dtype=np.float64) for at in range(X.shape[1])], None)
    columns = []
    for at, (name, one) in enumerate(zip(names, series, strict=True)):
        column, is_date = convert(one)
        if is_date and dates is not None and not any(_names(choice, name, at) for choice in dates):
            raise ValueError(f"the column {name!r} of X holds dates: name it in dates or in drop")
        columns.append(column)
    return Table(columns, names)


def choices(columns: Any, parameter: str) -> list[str]:
    """Columns by name, or by number: from 0 as Python counts, from 1 as the native module does."""
    if columns is None:
        return []
    if isinstance(columns, str | bytes) or not hasattr(columns, "__iter__"):
        raise ValueError(f"{parameter} is {columns!r}, but it must be None or a list of columns, by name or by number")
    return [str(int(column) + 1) if isinstance(column, int | np.integer) else str(column) for column in columns]


def _names(choice: Any, name: str, at: int) -> bool:
    return bool(choice == at if isinstance(choice, int | np.integer) else str(choice) == name)


def _is_a(X: Any, library: str) -> bool:
    module = sys.modules.get(library)
    return module is not None and isinstance(X, module.DataFrame)


def _values(column: Column) -> NDArray[Any]:
    return column[0] if isinstance(column, tuple) else column


def _of_pandas(series: Any) -> tuple[Column, bool]:
    """A column, and whether it holds dates."""
    kind = series.dtype
    if getattr(kind, "kind", "O") == "M":
        stamps = series.dt.tz_convert(None) if getattr(kind, "tz", None) is not None else series
        days = stamps.to_numpy(dtype="datetime64[us]")
        return np.where(np.isnat(days), np.nan, days.astype(np.int64) / MICROSECONDS), True
    if hasattr(series, "cat"):
        return _coded(series.cat.codes.to_numpy(), series.cat.categories), False
    if getattr(kind, "kind", "O") in "fiu":
        return np.ascontiguousarray(series.to_numpy(dtype=np.float64, na_value=np.nan)), False
    codes, levels = series.factorize()
    # Objects may be numbers.
    if len(levels) and all(isinstance(level, int | float | np.number) and not _is_bool(level) for level in levels):
        numbers = np.append(np.asarray(levels, dtype=np.float64), np.nan)
        return np.ascontiguousarray(numbers[codes]), False
    return _coded(codes, levels), False


def _of_polars(series: Any) -> tuple[Column, bool]:
    """A column, and whether it holds dates."""
    polars = sys.modules["polars"]
    if series.dtype in (polars.Date, polars.Datetime):
        stamps = series.cast(polars.Datetime("us")).to_physical()
        return np.ascontiguousarray(stamps.cast(polars.Float64).to_numpy() / MICROSECONDS, dtype=np.float64), True
    if series.dtype.is_numeric():
        return np.ascontiguousarray(series.cast(polars.Float64).to_numpy(), dtype=np.float64), False
    if series.dtype == polars.Boolean:
        return _coded(series.cast(polars.Int64).fill_null(-1).to_numpy(), [False, True]), False
    texts = series.cast(polars.String)
    levels = texts.drop_nulls().unique().sort()
    codes = texts.cast(polars.Enum(levels)).to_physical().cast(polars.Int64).fill_null(-1)
    return _coded(codes.to_numpy(), levels.to_list()), False


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _coded(codes: NDArray[Any], levels: Any) -> Column:
    """Indices, -1 for missing ones, and the names of the levels, of which several may be equal."""
    names = [class_name(level) for level in levels]
    place = {name: at for at, name in enumerate(dict.fromkeys(names))}
    index = np.array([*(place[name] for name in names), MISSING], dtype=np.uint32)
    return np.ascontiguousarray(index[codes]), list(place)
