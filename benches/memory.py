"""The memory that the program forecasts, beside the peak of its process, over sizes, neurons, solvers and classes.

    python benches/memory.py --program target/release/cvx [--quick]

The samples are normal numbers in single precision, written to an .npz, so that they are held as they are. Every run
does enough iterations for the acceleration to have all its differences, and is closed in full. Rows go to
benches/results/memory.jsonl. Needs numpy.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from tables.place import host

ROOT = Path(__file__).resolve().parent.parent

# n, d, P, classes, neurons, solver.
GRID = [
    (4_000, 200, 50, 2, "relu", "cholesky"),
    (12_000, 500, 50, 2, "relu", "cholesky"),
    (10_000, 3_072, 50, 2, "relu", "cholesky"),
    (10_000, 3_072, 50, 2, "relu", "gram-pcg"),
    (40_000, 500, 50, 2, "relu", "gram-pcg"),
    (100_000, 100, 50, 2, "relu", "gram-pcg"),
    (20_000, 200, 100, 5, "relu", "gram-pcg"),
    (10_000, 500, 1_000, 2, "gated", "cholesky"),
    (10_000, 3_072, 1_000, 2, "gated", "cholesky"),
    (8_000, 500, 200, 10, "gated", "cholesky"),
    (40_000, 500, 200, 2, "gated", "gram-pcg"),
    (20_000, 200, 200, 10, "gated", "gram-pcg"),
]


def write(path, n, d, classes):
    """Samples (n x d) and the class that is largest in some of their features."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d), dtype=np.float32)
    y = (x[:, 0] > 0) if classes == 2 else np.argmax(x[:, :classes], axis=1)
    np.savez(path, x=x, y=y.astype(np.int64))


def run(program, data, case, iterations):
    """The forecast and the peak of one run, in bytes."""
    _, _, patterns, _, neurons, solver = case
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "r.json"
        command = [program, "train", "--data", data, "--activation", neurons, "--solver", solver]
        command += ["--patterns", patterns, "--beta-fraction", 0.05, "--loss", "squared", "--gap", 1e-9]
        command += ["--max-iterations", iterations, "--log", "json", "--json", report]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
        forecast = next(line["memory_bytes"] for line in lines if line.get("event") == "begin")
        return forecast, json.loads(report.read_text())["peak_memory_bytes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "target/release/cvx")
    parser.add_argument("--iterations", type=int, default=13)
    parser.add_argument("--quick", action="store_true", help="the small cases alone")
    parser.add_argument("--json", default=ROOT / "benches/results/memory.jsonl")
    given = parser.parse_args()
    for case in GRID:
        n, d, patterns, classes, neurons, solver = case
        if given.quick and n * d > 3_000_000:
            continue
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data.npz"
            write(data, n, d, classes)
            forecast, peak = run(given.program, data, case, given.iterations)
        row = {
            "bench": "memory",
            "host": host(os.cpu_count()),
            "n": n,
            "d": d,
            "patterns": patterns,
            "classes": classes,
            "neurons": neurons,
            "solver": solver,
            "forecast_bytes": forecast,
            "peak_bytes": peak,
        }
        with open(given.json, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{n:7} x {d:5}, P {patterns:5}, C {classes:2}, {neurons:5} {solver:9}: "
              f"forecast {forecast / 1e6:7.0f} MB, peak {peak / 1e6:7.0f} MB, {peak / forecast:.2f}")


if __name__ == "__main__":
    main()
