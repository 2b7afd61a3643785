"""The annotations: strict, and correct for the native module."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")
CONFIGURATION = Path(__file__).parents[1] / "pyproject.toml"


@pytest.mark.parametrize(
    "arguments",
    [
        ["mypy", "--config-file", str(CONFIGURATION), "-p", "cvx_relu"],
        ["mypy.stubtest", "--mypy-config-file", str(CONFIGURATION), "cvx_relu._native"],
    ],
    ids=["mypy", "stubtest"],
)
def test_annotations(tmp_path, arguments):
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
