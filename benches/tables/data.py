"""Tables with their labels, and how they are divided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

#: Tables of scikit-learn: the loader, whether the label is a number, and at most how many rows are taken.
BUILT_IN = {
    "iris": (datasets.load_iris, False, None),
    "wine": (datasets.load_wine, False, None),
    "breast_cancer": (datasets.load_breast_cancer, False, None),
    "digits": (datasets.load_digits, False, 900),
    "diabetes": (datasets.load_diabetes, True, None),
}

#: Cells that say that a value is missing.
MISSING = ["", "?", "NA", "N/A", "NaN", "nan", "null"]

#: Integer labels with more different values than this are numbers, not classes.
MOST_CLASSES = 20

TEST_SHARE = 0.25


@dataclass(frozen=True)
class Table:
    """Samples and labels. Numbers are numeric columns, categories text columns; NaN is a missing cell."""

    name: str
    X: pd.DataFrame
    y: NDArray
    regression: bool

    def sampled(self, rows: int | None) -> Table:
        """At most so many rows, drawn with seed 0 and kept in their order."""
        if rows is None or len(self.y) <= rows:
            return self
        kept = np.sort(np.random.default_rng(0).choice(len(self.y), rows, replace=False))
        return replace(self, X=self.X.iloc[kept].reset_index(drop=True), y=self.y[kept])

    def split(self, seed: int) -> tuple[NDArray, NDArray]:
        """Rows for training and for testing, classes in proportion. A class that occurs once is for training."""
        if self.regression:
            return tuple(train_test_split(np.arange(len(self.y)), test_size=TEST_SHARE, random_state=seed))
        rare = is_rare(self.y, 2)
        common = np.flatnonzero(~rare)
        classes = self.y[common]
        test_size = max(ceil(TEST_SHARE * len(common)), len(np.unique(classes)))
        train, test = train_test_split(common, test_size=test_size, stratify=classes, random_state=seed)
        return np.concatenate([train, np.flatnonzero(rare)]), test


def is_rare(y: NDArray, least: int) -> NDArray[np.bool_]:
    """Whether the class of each sample has fewer than `least` members."""
    _, index, counts = np.unique(y, return_inverse=True, return_counts=True)
    return counts[index] < least


def folds(y: NDArray, count: int, regression: bool, seed: int) -> list[tuple[NDArray, NDArray]]:
    """Folds to choose settings by. Classes with fewer members than folds are trained on in all of them."""
    shuffled = {"n_splits": count, "shuffle": True, "random_state": seed}
    rare = np.zeros(len(y), dtype=bool) if regression else is_rare(y, count)
    if regression or rare.all():
        return list(KFold(**shuffled).split(y))
    common, always = np.flatnonzero(~rare), np.flatnonzero(rare)
    parts = StratifiedKFold(**shuffled).split(common, y[common])
    return [(np.concatenate([common[train], always]), common[test]) for train, test in parts]


def built_in(name: str) -> Table:
    """A table of scikit-learn."""
    load, regression, rows = BUILT_IN[name]
    X, y = load(return_X_y=True, as_frame=True)
    return Table(name, X, y.to_numpy(), regression).sampled(rows)


def from_file(path: Path, label: str | None = None, regression: bool = False) -> Table:
    """Reads a table; `label` is the name of a column, or its number from 1, and by default the last.

    Rows without a label are left out. The label is a number if `regression` says so, or if it has fractions or more
    than 20 different integers.
    """
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline()
    separator = max(",;\t", key=first.count)
    cells = pd.read_csv(
        path,
        sep=separator,
        header=None,
        dtype=str,
        encoding="utf-8-sig",
        keep_default_na=False,
        skipinitialspace=True,
    )
    cells = cells.apply(lambda column: column.str.strip()).replace(MISSING, np.nan)
    names = [str(number + 1) for number in range(cells.shape[1])]
    if has_header(cells):
        named = cells.iloc[0].notna()
        names = [cells.iloc[0, at] if named.iloc[at] else name for at, name in enumerate(names)]
        cells = cells.iloc[1:]
    frame = pd.DataFrame({name: typed(cells.iloc[:, at]) for at, name in enumerate(names)}).reset_index(drop=True)
    target = column_of(names, label, path.name)
    frame = frame[frame[target].notna()].reset_index(drop=True)
    y, X = frame[target], frame.drop(columns=target)
    numeric = pd.api.types.is_numeric_dtype(y)
    if numeric:
        regression = regression or (y % 1 != 0).any() or y.nunique() > MOST_CLASSES
        y = y.to_numpy(dtype=np.float64 if regression else np.int64)
    elif regression:
        raise ValueError(f"{path.name}: the label {target} is not a number")
    else:
        y = y.to_numpy(dtype=str)
    return Table(path.stem, X, y, bool(regression))


def column_of(names: list[str], label: str | None, file: str) -> str:
    """The column that a name, or a number from 1, refers to."""
    if label is None:
        return names[-1]
    if label in names:
        return label
    if label.isdecimal() and 1 <= int(label) <= len(names):
        return names[int(label) - 1]
    raise ValueError(f"{file} has no column {label}: it has {', '.join(names)}")


def has_header(cells: pd.DataFrame) -> bool:
    """Whether the first row names the columns.

    It does if a text in it is above numbers. In a table of texts only, it does if none of them occurs again below.
    """
    first, rest = cells.iloc[0], cells.iloc[1:]
    if rest.empty:
        return False
    numeric = [at for at in range(cells.shape[1]) if is_numeric(rest.iloc[:, at])]
    if numeric:
        return any(isinstance(first.iloc[at], str) and not is_numeric(first.iloc[[at]]) for at in numeric)
    return not any(first.iloc[at] in set(rest.iloc[:, at].dropna()) for at in range(cells.shape[1]))


def is_numeric(column: pd.Series) -> bool:
    """Whether all cells are numbers, those aside that are missing."""
    present = column.dropna()
    return len(present) > 0 and bool(np.isfinite(pd.to_numeric(present, errors="coerce")).all())


def typed(column: pd.Series) -> pd.Series:
    """A column of numbers as numbers."""
    return pd.to_numeric(column) if is_numeric(column) else column


def tables(
    folder: Path | None, labels: dict[str, str], regression: Iterable[str], rows: int, wanted: Iterable[str] | None
) -> list[Table]:
    """The built-in tables, then those of the folder; of two with the same name the built-in one."""
    found = {name: Path(name) for name in BUILT_IN}
    for path in sorted(folder.glob("*.csv")) if folder else []:
        found.setdefault(path.stem, path)
    unknown = (set(wanted or []) | set(labels) | set(regression)) - set(found)
    if unknown:
        raise ValueError(f"no table is named {', '.join(sorted(unknown))}: there are {', '.join(found)}")
    chosen = [name for name in found if wanted is None or name in wanted]
    read = [
        built_in(name) if name in BUILT_IN else from_file(found[name], labels.get(name), name in regression)
        for name in chosen
    ]
    return [table.sampled(rows) for table in read]
