"""The example of docs/constraints.md: its tables, its networks by `cvx`, and LightGBM beside them.

usage: python scripts/constraints_example.py [path of cvx]

It writes into the current folder, and needs scikit-learn, pandas and LightGBM.
"""

import json
import subprocess
import sys

import lightgbm
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold, cross_val_predict

COLUMNS = "age sex bmi bp tc ldl hdl tch ltg glu".split()
RISING = {"bmi": (18, 42), "bp": (60, 135), "ltg": (3.2, 6.1)}
NETWORKS = {
    "free": [],
    "free-relu": ["--activation", "relu"],
    "rising": ["--monotone", ",".join(f"{column}:+" for column in RISING)],
    "additive": ["--interact", json.dumps([[column] for column in COLUMNS])],
}


def rmse(prediction, target):
    return float(np.sqrt(np.mean((prediction - target) ** 2)))


def falls(predict, samples):
    """For each rising column, how many samples have a prediction that falls somewhere along it."""
    counts = []
    for column, (low, high) in RISING.items():
        grid = [samples.assign(**{column: value}) for value in np.linspace(low, high, 50)]
        values = predict(pd.concat(grid)).reshape(50, -1)
        counts.append(int((np.diff(values, axis=0) < 0).any(axis=0).sum()))
    return counts


def main(cvx):
    frame = load_diabetes(as_frame=True, scaled=False).frame.set_axis([*COLUMNS, "progression"], axis=1)
    train, later = frame[:300], frame[300:]
    train.to_csv("diabetes.csv", index=False)
    later.to_csv("later.csv", index=False)
    samples, target = train[COLUMNS], train.progression
    new, truth = later[COLUMNS], later.progression

    for name, options in NETWORKS.items():
        data = ["--data", "diabetes.csv", "--test", "later.csv", "--task", "regression"]
        outputs = ["--model", f"{name}.cvx", "--json", f"{name}.json", "--quiet"]
        subprocess.run([cvx, "train", *data, *options, *outputs], check=True, stdout=subprocess.DEVNULL)
        with open(f"{name}.json") as file:
            report = json.load(file)

        def predict(table, name=name):
            table.to_csv("grid.csv", index=False)
            arguments = [f"{name}.cvx", "--data", "grid.csv", "--out", "grid-predictions.csv", "--quiet"]
            subprocess.run([cvx, "predict", *arguments], check=True)
            return pd.read_csv("grid-predictions.csv").iloc[:, 0].to_numpy()

        errors = [report[part]["quality"]["mean"]["rmse"] for part in ("choice", "test")]
        print(name, "held out, test:", np.round(errors, 1), "falls:", falls(predict, new))

    for name, signs in [("LightGBM", None), ("LightGBM rising", [int(column in RISING) for column in COLUMNS])]:
        model = lightgbm.LGBMRegressor(verbose=-1, random_state=0, monotone_constraints=signs)
        folds = [KFold(5, shuffle=True, random_state=seed) for seed in range(3)]
        held_out = np.mean([rmse(cross_val_predict(model, samples, target, cv=fold), target) for fold in folds])
        model.fit(samples, target)
        errors = [held_out, rmse(model.predict(new), truth)]
        print(name, "held out, test:", np.round(errors, 1), "falls:", falls(model.predict, new))


if __name__ == "__main__":
    main(*sys.argv[1:2] or ["cvx"])
