"""The wheel, built and looked into."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_wheel_holds_the_two_packages_and_nothing_else(tmp_path: Path) -> None:
    # In an environment of its own, as for whoever installs from the sources; hatchling comes from the registry.
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"phi2chat", "curation"}
    assert "curation/record.schema.json" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_no_python_file_stands_at_the_root() -> None:
    """A module at the root would be importable from a checkout and missing from the wheel."""
    assert not list(ROOT.glob("*.py"))
