"""One fit as a JSON line: where it was made, of what, and what came of it."""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, log_loss, r2_score

from tables.data import Table
from tables.methods import METHODS, chosen

#: R2 has no lower bound, and one table must not decide a mean.
WORST_R2 = -1.0


def measure(table: Table, split: int, name: str, threads: int) -> dict[str, Any]:
    """Trains on one split and scores on the rest of the table; a method that fails is a row with the reason."""
    train, test = table.split(split)
    X, y = table.X.iloc[train].reset_index(drop=True), table.y[train]
    method = METHODS[name]
    row = {
        "method": name,
        "version": method.version(),
        "seed": split,
        "data": table.name,
        "task": "regression" if table.regression else "classification",
        "n_samples": len(table.y),
        "n_train": len(train),
        "n_test": len(test),
        "n_features": table.X.shape[1],
        "n_classes": None if table.regression else len(np.unique(table.y)),
    }
    outcome = dict.fromkeys(["status", "error", "score", "log_loss", "seconds", "cpu_seconds", "chosen"])
    outcome["status"] = "Failed"
    seconds, cpu_seconds = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        # Epochs that run out, folds without a rare class: expected, and visible in the score.
        warnings.simplefilter("ignore")
        try:
            model = method.fit(X, y, table.regression, split, threads)
            outcome["seconds"] = time.perf_counter() - seconds
            outcome["cpu_seconds"] = time.process_time() - cpu_seconds
            outcome |= scores(model, table, test)
            outcome |= {"status": getattr(model, "status_", "Fitted"), "chosen": chosen(model)}
        except Exception as error:
            outcome["error"] = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return row | outcome


def scores(model: Any, table: Table, test: NDArray) -> dict[str, float | None]:
    """Accuracy, or R2 that is not below -1; the log loss where there are probabilities."""
    X, y = table.X.iloc[test].reset_index(drop=True), table.y[test]
    predicted = model.predict(X)
    if table.regression:
        return {"score": max(float(r2_score(y, predicted)), WORST_R2), "log_loss": None}
    loss = None
    if hasattr(model, "predict_proba"):
        classes = model.classes_
        known = np.isin(y, classes)
        loss = float(log_loss(y[known], model.predict_proba(X[known]), labels=classes))
    return {"score": float(accuracy_score(y, predicted)), "log_loss": loss}


def append(path: Path, row: dict[str, Any]) -> None:
    """Adds a line to the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, allow_nan=False) + "\n")


def read(path: Path) -> pd.DataFrame:
    """The rows of the file; of rows for the same table, split and method the last."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = pd.DataFrame([json.loads(line) for line in lines if line.strip()])
    return rows if rows.empty else rows.drop_duplicates(["data", "seed", "method"], keep="last")
