"""F7: onnxruntime computes from an exported graph what `cvx predict` computes.

    python scripts/check_onnx.py CVX

CVX is the program. Takes the packages onnx, onnxruntime and numpy.
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

# Largest difference over largest prediction. f32 has seven digits; a sum of 3072 products loses one of them.
TOLERANCE = {"f64": 1e-12, "f32": 1e-5}

# Sums in f32 may be rounded to the next feature of half precision.
TOLERANCE_HALF = {"f64": 1e-12, "f32": 1e-3}


def data():
    """Name, features and labels of each case: tables near and far from zero, and images of two sizes."""
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 5))
    curve = np.abs(x[:, 0]) - x[:, 1]
    two = np.where(curve > 0, "dog", "cat")
    yield "binary", x, two
    yield "multiclass", x, np.where(curve > 1, "high", np.where(curve > 0, "middle", "low"))
    yield "regression", x, 100 + np.stack([curve, np.sin(3 * x[:, 2])], axis=1) + 0.01
    yield "far from zero", x * [1, 1e-3, 1e3, 1, 1] + [1e6, 1e4, 1e9, -1e7, 0], two
    images = random.integers(0, 256, size=(60, 3, 32, 32)) / 255
    images[:30, 0] *= 0.5
    yield "images", images, np.where(np.arange(60) < 30, "dark", "bright")
    small = random.integers(0, 256, size=(60, 1, 16, 16)) / 255
    small[:30, :, 4:8, 4:8] = 1
    yield "small images", small, np.where(np.arange(60) < 30, "left", "none")


def choices(name):
    """Options of the runs of a case. Those of small images choose beta: a mean of folds."""
    given = ["--beta-fraction", "0.001"]
    if name == "small images":
        return [["--gates", "conv"]]
    others = [["--activation", "relu", *given], ["--no-bias", "--normalize", "none", *given]]
    if name == "images":
        patches = ["--gates", "conv", "--stride", "2", *given]
        return [patches, [*patches, "--features", "half"], *others]
    return [[], *others]


def check(cvx, folder, name, x, y, options, precision):
    """Trains, exports, predicts with both; returns the difference and its limit."""

    def run(*arguments):
        subprocess.run([cvx, *arguments, "--quiet"], cwd=folder, check=True)

    np.savez(folder / "data.npz", X=x, y=y)
    few = ["--patterns", "20", "--max-iterations", "100"]
    run("train", "--data", "data.npz", *few, "--model", "m.cvx", *options)
    run("export", "m.cvx", "--to", "onnx", "--precision", precision, "--out", "m.onnx")
    run("predict", "m.cvx", "--data", "data.npz", "--out", "predictions.csv")
    onnx.checker.check_model(str(folder / "m.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(folder / "m.onnx", providers=["CPUExecutionProvider"])
    features = x.reshape(len(x), -1).astype(np.float64 if precision == "f64" else np.float32)
    found = dict(zip([output.name for output in session.get_outputs()], session.run(None, {"x": features})))

    with open(folder / "predictions.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    metadata = json.loads(session.get_modelmeta().custom_metadata_map["cvx"])
    on_patches, half = "conv" in options, "half" in options
    tolerance = (TOLERANCE_HALF if half else TOLERANCE)[precision]
    assert (metadata["patches"] is not None) == on_patches, f"{name} {options}: {metadata['patches']}"
    assert not on_patches or metadata["patches"]["feature_precision"] == ("half" if half else "single")
    if metadata["classes"]:
        classes = [metadata["classes"][index] for index in found["class"]]
        # In f32 a score near zero may change its sign.
        wrong = sum(row[0] != name for row, name in zip(rows, classes))
        assert wrong <= (0 if precision == "f64" else 1), f"{name}: {wrong} other classes"
        rows = [row[1:] for row in rows]
    outputs = found["prediction"].shape[1]
    if "probability" in found:
        probabilities = np.array([row[outputs:] for row in rows], dtype=np.float64)
        assert np.abs(found["probability"] - probabilities).max() <= 100 * tolerance
    expected = np.array([row[:outputs] for row in rows], dtype=np.float64)
    assert found["prediction"].shape == expected.shape
    # One sample and none: the graph leaves the number of rows open.
    one = session.run(["prediction"], {"x": features[:1]})[0]
    assert np.allclose(one, found["prediction"][:1], rtol=1e-3)
    assert session.run(["prediction"], {"x": features[:0]})[0].shape == (0, expected.shape[1])
    return np.abs(found["prediction"] - expected).max() / np.abs(expected).max(), tolerance


def main():
    cvx = str(Path(sys.argv[1]).resolve())
    for name, x, y in data():
        for options in choices(name):
            for precision in ("f64", "f32"):
                # f32 has too few digits for features of 1e9.
                if name == "far from zero" and ("none" in options or precision == "f32"):
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    difference, tolerance = check(cvx, Path(folder), name, x, y, options, precision)
                print(f"{name:15} {' '.join(options):62} {precision} {difference:.1e}", flush=True)
                assert difference <= tolerance, "too far apart"


main()
