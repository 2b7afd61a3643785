"""Model files, shared with the program `cvx`."""

from __future__ import annotations

import os

import numpy as np

from cvx_relu import _native
from cvx_relu._classifier import ConvexReLUClassifier
from cvx_relu._labels import classes_of
from cvx_relu._regressor import ConvexReLURegressor
from cvx_relu._results import columns, columns_by_target, table


def load(path: str | os.PathLike[str]) -> ConvexReLUClassifier | ConvexReLURegressor:
    """Reads a model file that `save` or `cvx train --model` wrote, as a fitted estimator.

    The estimator has the parameters that the file records; `patterns` is the number after equal ones were merged, and
    `beta` the one that was chosen. If the names of all classes are numbers, the classes are numbers. `history_`,
    `points_`, `target_certificates_` and `target_history_` are empty.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        The file is not a model, or it is damaged.
    """
    model = _native.Model.load(path)
    estimator: ConvexReLUClassifier | ConvexReLURegressor
    if model.task == "regression":
        estimator = ConvexReLURegressor()
    else:
        estimator = ConvexReLUClassifier()
        estimator.classes_ = classes_of(model.classes)
    estimator.set_params(**model.parameters)
    estimator.model_ = model
    estimator.history_ = columns([])
    estimator.target_history_ = columns_by_target([])
    estimator.target_certificates_ = []
    estimator.points_ = table([])
    recipe = model.recipe
    estimator.n_features_in_ = len(model.scale) if recipe is None else recipe.n_columns
    names = model.feature_names if recipe is None else recipe.names
    if names is not None:
        estimator.feature_names_in_ = np.array(names, dtype=object)
    return estimator
