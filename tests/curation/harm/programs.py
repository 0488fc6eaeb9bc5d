"""The programs of this folder, each a process of its own that imports the writer and little else."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]


def start(
    name: str, *arguments: object, environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Start one of them, with pipes of text; what it says on stderr goes where ours goes."""
    env = {**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{HERE}", **(environment or {})}
    command = [sys.executable, HERE / name, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=env, **options)
