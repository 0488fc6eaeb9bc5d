"""The fused step computes what the model does; here its kernels are interpreted, see test_on_gpu.py for the rest."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from packaging.version import Version


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="there is no Triton in a CPU build of torch")
@pytest.mark.skipif(Version(numpy.__version__) >= Version("2.5"), reason="Triton 3.6 cannot interpret with NumPy 2.5")
def test_its_arithmetic_is_that_of_the_model(clean_environment: dict[str, str]) -> None:
    program = Path(__file__).parents[2] / "made" / "interpreted_step.py"
    done = subprocess.run([sys.executable, program], env=clean_environment, capture_output=True, text=True, check=True)
    differences = json.loads(done.stdout)
    assert len(differences) == 8
    assert {name: max(steps) < 1e-5 for name, steps in differences.items()} == dict.fromkeys(differences, True)
