"""Where a row was measured: this machine, this checkout."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

#: The parts of the tree that measurements do not depend on.
NOT_MEASURED = ["--", ":(top)", ":(top,exclude)benches/results", ":(top,exclude)docs"]


def host(threads: int) -> dict[str, Any]:
    """This machine, this checkout."""
    cpu = platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    revision = git("rev-parse", "--short=12", "HEAD") or "unknown"
    if git("status", "--porcelain", "--untracked-files=no", *NOT_MEASURED):
        revision += "+changes"
    return {"cpu": cpu, "threads": threads, "revision": revision}


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
