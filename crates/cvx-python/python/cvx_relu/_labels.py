"""Labels and weights in the form that the native module expects."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array


class Named(TypedDict):
    """Classes as indices into their names."""

    classes: NDArray[np.uint32]
    names: list[str]


def class_name(label: Any) -> str:
    """The name of a class in a model file: its text in a table, ``1`` for 1.0.

    >>> [class_name(label) for label in (1, np.float64(1.0), 0.5, True, "cat")]
    ['1', '1', '0.5', 'True', 'cat']
    """
    if isinstance(label, float | np.floating):
        return np.format_float_positional(label, trim="-")
    return str(label)


def named(y: ArrayLike) -> Named:
    """Labels as class indices, with the names of the classes."""
    values, index = np.unique(np.asarray(y), return_inverse=True)
    return {"classes": index.astype(np.uint32), "names": [class_name(value) for value in values]}


def classes_of(names: list[str]) -> NDArray[Any]:
    """The labels for the class names of a model file: numbers if all names are numbers, else texts.

    >>> classes_of(["10", "2"]), classes_of(["1", "0.5"]), classes_of(["b", "1"])
    (array([ 2, 10]), array([0.5, 1. ]), array(['1', 'b'], dtype='<U1'))
    """
    for number in (int, float):
        try:
            labels = [number(name) for name in names]
        except ValueError:
            continue
        if [class_name(label) for label in labels] == names:
            return np.unique(labels)
    return np.unique(names)


def positive_weights(sample_weight: ArrayLike | None, n_samples: int) -> NDArray[np.float64] | None:
    """One weight for each sample: none is negative, at least one is positive."""
    if sample_weight is None:
        return None
    weights = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weights.ndim == 0:
        weights = np.full(n_samples, weights)
    if weights.shape != (n_samples,):
        raise ValueError(f"sample_weight.shape == {weights.shape}, expected {(n_samples,)}: give one weight per sample")
    if (weights < 0).any():
        raise ValueError(f"sample_weight has a negative value, {weights.min()}: weights must be 0 or larger")
    if not weights.any():
        raise ValueError("sample_weight is zero for every sample: at least one must be positive")
    return np.ascontiguousarray(weights)
