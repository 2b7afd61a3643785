from os import PathLike
from typing import Any, Callable, TypedDict, final

import numpy as np
from numpy.typing import NDArray

class Record(TypedDict):
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

class Point(TypedDict):
    fraction: float
    relative_gap: float
    validation_loss: float
    validation_accuracy: float | None

class Row(TypedDict):
    fraction: float
    beta: float
    status: str
    network: float
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

class Known(TypedDict):
    patterns: int
    beta: float
    activation: str
    loss: str
    huber_delta: float | None
    normalize: str
    image: tuple[int, int, int] | None
    bias: bool
    random_state: int
    certify: str
    solver: str
    precision: str

class Verified(TypedDict):
    network: float
    loss: float
    accuracy: float | None
    dual_bound: float | None
    relative_gap: float | None
    network_agrees: bool
    bound_agrees: bool
    gap_agrees: bool
    holds: bool

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
    def verify(self, data: Data) -> Verified: ...
    @property
    def w1(self) -> NDArray[np.float64]: ...
    @property
    def w2(self) -> NDArray[np.float64]: ...
    @property
    def gates(self) -> NDArray[np.float64] | None: ...
    @property
    def offset(self) -> list[float]: ...
    @property
    def scale(self) -> list[float]: ...
    @property
    def bias(self) -> bool: ...
    @property
    def feature_names(self) -> list[str] | None: ...
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
    def chosen(self) -> int | None: ...
    @property
    def cut_short(self) -> str | None: ...
    @property
    def fit(self) -> Fit | None: ...
    @property
    def interrupted(self) -> bool: ...
    @property
    def raised(self) -> BaseException | None: ...

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
    validation: float,
    folds: int | None,
    choose: str,
    callback: Callable[[Point], Any] | None = None,
) -> Path: ...
