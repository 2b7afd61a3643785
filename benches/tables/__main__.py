"""`python -m tables`: measures what the file of rows does not have yet, then reports on it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

# Before NumPy is imported: every library has one thread, and cvx the same number by its processors.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from tables import data, figure, place, report, rows  # noqa: E402
from tables.methods import METHODS  # noqa: E402

ROWS = place.ROOT / "benches/results/tables.jsonl"
FIGURE = place.ROOT / "docs/figures/tables"


def names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def label(text: str) -> tuple[str, str]:
    file, separator, column = text.partition("=")
    if not (file and separator and column):
        raise argparse.ArgumentTypeError(f"{text} is not FILE=COLUMN")
    return Path(file).name.removesuffix(".csv"), column


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cargo xtask tables", description=sys.modules["tables"].__doc__)
    add = parser.add_argument
    add("--folder", type=Path, metavar="DIR", help="also the tables *.csv of this folder")
    add("--splits", type=int, default=5, metavar="N", help="splits of each table [default: 5]")
    add("--methods", type=names, metavar="A,B", help=f"some of {', '.join(METHODS)} [default: all]")
    add("--tables", type=names, metavar="A,B", help="some of the tables [default: all]")
    add(
        "--label",
        type=label,
        action="append",
        default=[],
        metavar="FILE=COLUMN",
        help="the label of a table by its column's name, or number from 1 [default: the last column]",
    )
    add("--regression", type=names, default=[], metavar="A,B", help="tables whose integer labels are numbers")
    add("--rows", type=int, default=2000, metavar="N", help="at most so many rows of a table [default: 2000]")
    add("--threads", type=int, default=1, metavar="N", help="threads of cvx; the others have one [default: 1]")
    add("--json", type=Path, default=ROWS, metavar="FILE", help="rows [default: benches/results/tables.jsonl]")
    add("--figure", type=Path, metavar="PATH", help="figure without its ending [default: docs/figures/tables]")
    add("--again", action="store_true", help="measure also what the file has")
    add("--draw", action="store_true", help="measure nothing")
    return parser.parse_args()


def measure(args: argparse.Namespace, methods: list[str]) -> None:
    """Appends the rows that are missing, or failed."""
    tables = data.tables(args.folder, dict(args.label), args.regression, args.rows, args.tables)
    found = rows.read(args.json)
    done = set()
    if not found.empty:
        sizes = found.groupby("data")["n_samples"].unique()
        for table in tables:
            if any(size != len(table.y) for size in sizes.get(table.name, [])):
                raise ValueError(f"{args.json.name} has {table.name} with another number of rows: use another --json")
        fitted = found[found["status"] != "Failed"]
        done = set() if args.again else set(zip(fitted["data"], fitted["seed"], fitted["method"], strict=True))
    host = place.host(args.threads)
    for table in tables:
        for split in range(args.splits):
            for method in methods:
                if (table.name, split, method) in done:
                    continue
                row = rows.measure(table, split, method, args.threads)
                rows.append(args.json, {"bench": "tables", "host": host} | row)
                result = row["error"] if row["score"] is None else f"{row['score']:.4f} in {row['seconds']:.2f} s"
                print(f"{table.name} {split} {method}: {result}", file=sys.stderr, flush=True)


def main() -> None:
    args = arguments()
    methods = args.methods or list(METHODS)
    unknown = set(methods) - set(METHODS)
    if unknown:
        raise ValueError(f"no method is named {', '.join(sorted(unknown))}: there are {', '.join(METHODS)}")
    if not args.draw:
        installed = [name for name in methods if METHODS[name].is_installed()]
        for name in set(methods) - set(installed):
            print(f"{name} is left out: {METHODS[name].package} is not installed", file=sys.stderr)
        measure(args, installed)
    found = rows.read(args.json)
    if found.empty:
        raise ValueError(f"{args.json.name} has no rows")
    found = found[found["method"].isin(methods) & (found["seed"] < args.splits)]
    if args.tables:
        found = found[found["data"].isin(args.tables)]
    summary = report.summary(found)
    print(report.text(summary))
    default = FIGURE if args.json == ROWS else args.json.with_suffix("")
    figure.draw(summary, args.figure or default)


try:
    main()
except (ValueError, OSError) as error:
    sys.exit(f"error: {error}")
