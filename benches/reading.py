"""The peak memory of reading tables of a million rows, beside the bytes of the samples that come out.

    cargo build --release -p cvx-data --example read_memory
    python benches/reading.py --program target/release/examples/read_memory [--rows 1000000]

Each table is read as CSV, as CSV.gz and from standard input. `numbers` has twenty columns of them, `mixed` fifteen with
missing values and five of categories, `targets` twenty and a target of its own in every row. Rows go to
benches/results/reading.jsonl. Needs numpy.
"""

import argparse
import gzip
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from tables.place import host

ROOT = Path(__file__).resolve().parent.parent

# Rows that are made and written at a time.
BLOCK = 10_000


def write(path, table, rows):
    """A table whose label is the sign, or the value, of its first column."""
    rng = np.random.default_rng(0)
    with open(path, "w", encoding="ascii") as file:
        file.write(",".join(f"x{k}" for k in range(20)) + ",y\n")
        for first in range(0, rows, BLOCK):
            x = rng.standard_normal((min(BLOCK, rows - first), 20))
            for row in x:
                fields = [f"{value:.9g}" for value in row]
                label = fields[0] if table == "targets" else str(int(row[0] > 0))
                if table == "mixed":
                    fields = ["" if value > 1.64 else field for field, value in zip(fields[:15], row)]
                    fields += [f"level{int(abs(value)) % 5}" for value in 3 * row[15:]]
                file.write(",".join(fields) + f",{label}\n")


def read(program, path, way):
    """What the program prints of the table."""
    with open(path, "rb") as file:
        command = [program, "-" if way == "stdin" else path]
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "target/release/examples/read_memory")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", default=ROOT / "benches/results/reading.jsonl")
    given = parser.parse_args()
    for table in ["numbers", "mixed", "targets"]:
        with tempfile.TemporaryDirectory() as folder:
            plain, packed = Path(folder) / "t.csv", Path(folder) / "t.csv.gz"
            write(plain, table, given.rows)
            with open(plain, "rb") as source, gzip.open(packed, "wb", compresslevel=1) as target:
                shutil.copyfileobj(source, target)
            for way, path in [("csv", plain), ("csv.gz", packed), ("stdin", plain)]:
                found = read(given.program, path, way)
                row = {"bench": "reading", "host": host(threads=1), "table": table, "way": way}
                row["text_bytes"] = plain.stat().st_size
                with open(given.json, "a", encoding="utf-8") as file:
                    file.write(json.dumps({**row, **found}) + "\n")
                share = found["peak_bytes"] / found["bytes"]
                print(f"{table:8} {way:7} {found['bytes'] / 1e6:5.0f} MB, peak {found['peak_bytes'] / 1e6:5.0f} MB "
                      f"({share:.2f}), {found['seconds']:.1f} s")


if __name__ == "__main__":
    main()
