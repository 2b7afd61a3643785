from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from cvx_relu._records import Known, Patches, Point, Record, Row, Target, TargetsRecord, Verified

__all__ = [
    "Data",
    "Fit",
    "Model",
    "Path",
    "Recipe",
    "certified_radius",
    "certify",
    "fit",
    "output_bounds",
    "path",
]

@final
class Data:
    def __new__(
        cls,
        x: NDArray[np.float64] | NDArray[np.float32],
        *,
        targets: NDArray[np.float64] | None = None,
        classes: NDArray[np.uint32] | None = None,
        names: list[str] | None = None,
        weights: NDArray[np.float64] | None = None,
        feature_names: list[str] | None = None,
        image: tuple[int, int, int] | None = None,
    ) -> Data: ...
    @staticmethod
    def table(
        columns: Sequence[NDArray[np.float64] | tuple[NDArray[np.uint32], list[str]]],
        column_names: list[str] | None,
        *,
        recipe: Recipe | None = None,
        choices: dict[str, list[str]] | None = None,
        targets: NDArray[np.float64] | None = None,
        classes: NDArray[np.uint32] | None = None,
        names: list[str] | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> Data: ...
    @property
    def recipe(self) -> Recipe | None: ...
    @property
    def notes(self) -> tuple[list[str], list[tuple[str, str, int]]]: ...

@final
class Recipe:
    @property
    def n_columns(self) -> int: ...
    @property
    def names(self) -> list[str] | None: ...
    @property
    def feature_names(self) -> list[str] | None: ...
    @property
    def dropped(self) -> list[tuple[str, str]]: ...

@final
class Model:
    @staticmethod
    def load(path: str | PathLike[str]) -> Model: ...
    def save(self, path: str | PathLike[str]) -> None: ...
    @staticmethod
    def from_bytes(bytes: bytes) -> Model: ...
    def to_bytes(self) -> bytes: ...
    def __reduce__(self) -> tuple[Callable[[bytes], Model], tuple[bytes]]: ...
    def predict(self, data: Data) -> tuple[NDArray[np.float64], NDArray[np.uintp]]: ...
    @property
    def knows_probabilities(self) -> bool: ...
    def probabilities(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def half_widths(self, coverage: float) -> list[float] | None: ...
    def verify(self, data: Data) -> Verified: ...
    @property
    def patches(self) -> Patches | None: ...
    @property
    def w1(self) -> NDArray[np.float64]: ...
    @property
    def w2(self) -> NDArray[np.float64]: ...
    @property
    def gates(self) -> NDArray[np.float64] | None: ...
    @property
    def output_bias(self) -> list[float]: ...
    @property
    def offset(self) -> list[float]: ...
    @property
    def scale(self) -> list[float]: ...
    @property
    def bias(self) -> bool: ...
    @property
    def feature_names(self) -> list[str] | None: ...
    @property
    def recipe(self) -> Recipe | None: ...
    @property
    def parameters(self) -> Known: ...
    @property
    def task(self) -> str: ...
    @property
    def classes(self) -> list[str]: ...
    @property
    def status(self) -> str: ...
    @property
    def objective(self) -> tuple[float, float, float, float | None]: ...
    @property
    def certify(self) -> str: ...
    @property
    def beta(self) -> float: ...
    @property
    def solver(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def iterations(self) -> int: ...

@final
class Fit:
    @property
    def model(self) -> Model: ...
    @property
    def history(self) -> list[Record]: ...
    @property
    def history_by_target(self) -> list[TargetsRecord]: ...
    @property
    def targets(self) -> list[Target]: ...
    @property
    def points(self) -> list[Row]: ...
    @property
    def chosen(self) -> int | None: ...
    @property
    def advice(self) -> str: ...
    @property
    def passed_over(self) -> str | None: ...
    @property
    def failure(self) -> str | None: ...
    @property
    def interrupted(self) -> bool: ...
    @property
    def raised(self) -> BaseException | None: ...

@final
class Path:
    @property
    def points(self) -> list[Row]: ...
    @property
    def gated_beta_max(self) -> float: ...
    @property
    def chosen(self) -> int: ...
    @property
    def cut_short(self) -> str | None: ...
    @property
    def fit(self) -> Fit: ...

def fit(
    data: Data,
    test: Data | None,
    parameters: dict[str, Any],
    *,
    regression: bool,
    callback: Callable[[Record], Any] | None = None,
) -> Fit: ...
def path(
    data: Data,
    test: Data | None,
    parameters: dict[str, Any],
    *,
    regression: bool,
    betas: int,
    beta_ratio: float,
    path_gap: float,
    validation: float | None,
    folds: int | None,
    choose: str,
    returned: str,
    callback: Callable[[Point], Any] | None = None,
) -> Path: ...
def certify(
    model: Model,
    data: Data,
    expected: list[int] | None,
    norm: str,
    eps: float,
    values: tuple[float, float] | None,
    work: dict[str, Any],
) -> tuple[list[str], list[list[float] | None]]: ...
def certified_radius(
    model: Model,
    data: Data,
    norm: str,
    values: tuple[float, float] | None,
    tolerance: float,
    work: dict[str, Any],
) -> list[tuple[float, float | None]]: ...
def output_bounds(
    model: Model,
    other: Model | None,
    lower: list[float],
    upper: list[float],
    tolerance: float,
    work: dict[str, Any],
) -> tuple[list[float], list[float]]: ...
