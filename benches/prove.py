"""Proofs of robustness by `cvx prove`, and by HiGHS as mixed-integer programmes, on the same samples in one run.

    python benches/prove.py MODEL SAMPLES --eps 2/255 --program target/release/cvx --limit 100 --highs 20

SAMPLES is what the program reads: an .npz with x_test, or a folder with test_batch.bin.gz. The programme of a margin
has a binary for every unstable neuron that is subtracted (those that are added need none), big-M constants from exact
intervals, and asks for a point with a margin of at most zero: infeasible is a proof. Rows go to
benches/results/prove.jsonl. Needs numpy and scipy.
"""

import argparse
import gzip
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from tables.place import host

ROOT = Path(__file__).resolve().parent.parent


def samples(source, limit):
    """The test samples (n x d) in the order of the program."""
    path = Path(source)
    if path.suffix == ".npz":
        return (
            np.load(path)["x_test"]
            .reshape(len(np.load(path)["x_test"]), -1)[:limit]
            .astype(float)
        )
    raw = np.frombuffer(gzip.open(path / "test_batch.bin.gz").read(), np.uint8).reshape(
        -1, 3073
    )
    return raw[:limit, 1:] / 255.0


def network(program, model, folder):
    """First layer (m x d), biases, second layer (m x C) and output biases, on features as they are."""
    out = Path(folder) / "model.npz"
    subprocess.run(
        [program, "export", model, "--to", "npz", "--out", out, "--quiet"], check=True
    )
    arrays = np.load(out)
    offset, scale = arrays["offset"].ravel(), arrays["scale"].ravel()
    w1 = np.atleast_2d(arrays["w1"]) / scale
    return (
        w1,
        arrays["b1"].ravel() - w1 @ offset,
        np.atleast_2d(arrays["w2"]).T,
        arrays["b2"].ravel(),
    )


def infeasible(rows, biases, alpha, constant, low, high, limit):
    """Whether no point of the box has constant + sum alpha (rows x + biases)_+ <= 0; None after the time limit."""
    centre, radius = (low + high) / 2, (high - low) / 2
    value, width = rows @ centre + biases, np.abs(rows) @ radius
    lower, upper = value - width, value + width
    on, open_ = lower >= 0, (lower < 0) & (upper > 0)
    linear, constant = alpha[on] @ rows[on], constant + alpha[on] @ biases[on]
    plus, minus = open_ & (alpha > 0), open_ & (alpha < 0)
    d, p, n = len(low), plus.sum(), minus.sum()
    size = d + p + 2 * n
    zeros = np.zeros
    blocks = [
        (np.hstack([-rows[plus], np.eye(p), zeros((p, 2 * n))]), biases[plus], np.inf),
        (
            np.hstack([-rows[minus], zeros((n, p)), np.eye(n), -np.diag(lower[minus])]),
            -np.inf,
            biases[minus] - lower[minus],
        ),
        (
            np.hstack([zeros((n, d + p)), np.eye(n), -np.diag(upper[minus])]),
            -np.inf,
            zeros(n),
        ),
    ]
    cost = np.r_[linear, alpha[plus], alpha[minus], zeros(n)]
    constraints = [LinearConstraint(a, lb, ub) for a, lb, ub in blocks if len(a)]
    constraints.append(LinearConstraint(cost[None, :], -np.inf, -constant))
    bounds = Bounds(
        np.r_[low, zeros(size - d)], np.r_[high, np.full(p + n, np.inf), np.ones(n)]
    )
    integrality = np.r_[zeros(size - n), np.ones(n)]
    result = milp(
        cost,
        constraints=constraints,
        bounds=bounds,
        integrality=integrality,
        options={"time_limit": limit},
    )
    if result.status == 2:
        return True
    return None if result.x is None else False


def by_highs(parts, sample, eps, limit):
    """The outcome of a sample: every margin of its class is a programme."""
    w1, b1, w2, b2 = parts
    scores = np.maximum(w1 @ sample + b1, 0) @ w2 + b2
    low, high = np.clip(sample - eps, 0, 1), np.clip(sample + eps, 0, 1)
    if len(scores) == 1:
        margins = [np.sign(scores)]
    else:
        best = scores.argmax()
        others = [c for c in np.argsort(-scores) if c != best]
        margins = [np.eye(len(scores))[best] - np.eye(len(scores))[c] for c in others]
    outcome = "proved"
    for margin in margins:
        alpha = w2 @ margin
        used = alpha != 0
        proved = infeasible(
            w1[used], b1[used], alpha[used], b2 @ margin, low, high, limit
        )
        if proved is False:
            return "refuted"
        if proved is None:
            outcome = "open"
    return outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("samples")
    parser.add_argument("--eps", required=True)
    parser.add_argument("--program", default="target/release/cvx")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--highs", type=int, default=20, help="samples for HiGHS")
    parser.add_argument(
        "--seconds",
        type=float,
        default=20.0,
        help="time limit of a programme or a sample",
    )
    parser.add_argument("--results", default=ROOT / "benches/results/prove.jsonl")
    arguments = parser.parse_args()
    above, _, below = arguments.eps.partition("/")
    eps = float(above) / float(below or 1)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            arguments.program,
            "prove",
            arguments.model,
            "--robust",
            f"linf:{arguments.eps}",
            "--values",
            "0,1",
        ]
        command += [
            "--data",
            arguments.samples,
            "--limit",
            str(arguments.limit),
            "--quiet",
            "--json",
            report,
        ]
        # One thread, as HiGHS.
        subprocess.run(
            [*command, "--time-limit", str(arguments.seconds)],
            check=True,
            env={"RAYON_NUM_THREADS": "1", "PATH": ""},
        )
        found = json.loads(report.read_text())["samples"]
        parts = network(arguments.program, arguments.model, folder)
    x = samples(arguments.samples, arguments.limit)
    times, highs = [], []
    agree = 0
    for sample, row in list(zip(x, found, strict=True))[: arguments.highs]:
        start = time.perf_counter()
        outcome = by_highs(parts, sample, eps, arguments.seconds)
        times.append(time.perf_counter() - start)
        highs.append(outcome)
        if "open" not in (outcome, row["outcome"]):
            assert outcome == row["outcome"], (row, outcome)
            agree += 1
    ours = np.array([row["seconds"] for row in found])
    count = lambda outcomes: {
        name: sum(o == name for o in outcomes) for name in ("proved", "refuted", "open")
    }  # noqa: E731
    row = {
        "bench": "prove",
        "host": host(threads=1),
        "model": Path(arguments.model).name,
        "data": Path(arguments.samples).name,
        "neurons": len(parts[0]),
        "outputs": parts[2].shape[1],
        "eps": arguments.eps,
        "samples": len(found),
        "outcomes": count([sample["outcome"] for sample in found]),
        "nodes": sum(sample["nodes"] for sample in found),
        "median_ms": round(1e3 * float(np.median(ours)), 3),
        "mean_ms": round(1e3 * float(ours.mean()), 3),
        "slowest_ms": round(1e3 * float(ours.max()), 1),
        "highs_samples": len(times),
        "highs_outcomes": count(highs),
        "highs_agree": agree,
        "highs_seconds": round(sum(times), 3),
        "seconds_on_these": round(float(ours[: len(times)].sum()), 4),
        "ratio": round(sum(times) / float(ours[: len(times)].sum()), 1)
        if times
        else None,
    }
    print(json.dumps(row))
    with open(arguments.results, "a") as results:
        results.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
