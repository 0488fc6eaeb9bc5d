"""`phi2chat doctor`: a row for each thing, a command for each that is wrong, and never a traceback."""

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from phi2chat.commands import doctor
from phi2chat.commands.doctor import PHI2_PARAMETERS, Check


def rows_of(output: str) -> dict[str, tuple[str, str]]:
    """The rows of the table by what was looked at: the verdict, and what was found."""
    rows: dict[str, tuple[str, str]] = {}
    name = ""
    for line in output.splitlines():
        cells = [cell.strip() for cell in line.split("│")]
        if len(cells) == 5:
            name = cells[2] or name
            verdict, found = rows.get(name, (cells[1], ""))
            rows[name] = (verdict, found + cells[3])
    return rows


@pytest.fixture
def broken(tmp_path: Path) -> Any:
    """Make a folder in which a package is one that cannot be imported."""

    def make(package: str, code: str) -> str:
        folder = tmp_path / "broken"
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text(code, encoding="utf-8")
        return f"{folder}:{Path(doctor.__file__).parents[2]}"

    return make


def test_doctor_looks_at_python_packages_memory_and_models(phi2chat: Any) -> None:
    done = phi2chat("doctor", COLUMNS="400")
    rows = rows_of(done.stdout)
    assert {
        "Python",
        "torch build",
        "memory",
        "Phi-2 in memory",
        "smollm2-135m",
        "microsoft/phi-2",
        "hub cache",
    } <= set(rows)
    wrong = [name for name, (verdict, _) in rows.items() if verdict == "mend"]
    assert {verdict for verdict, _ in rows.values()} <= {"ok", "mend"}
    assert done.returncode == (1 if wrong else 0)
    mends = [line.partition(": ")[0] for line in done.stdout.splitlines() if "│" not in line and ": " in line]
    assert mends == wrong
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("torch", "looking at torch"),
        ("huggingface_hub", "looking at models"),
        ("packaging", "looking at packages"),
    ],
)
@pytest.mark.parametrize(
    "code",
    [
        "raise ImportError('libnothing.so: cannot open shared object file')",
        "raise OSError('libnothing.so')",
        "import re; re.libnothing.so",
    ],
)
def test_a_package_that_cannot_be_imported_is_a_row_with_a_way_out(
    phi2chat: Any, broken: Any, package: str, name: str, code: str
) -> None:
    done = phi2chat("doctor", PYTHONPATH=broken(package, code), COLUMNS="400")
    assert done.returncode == 1
    verdict, found = rows_of(done.stdout)[name]
    assert (verdict, "libnothing" in found) == ("mend", True)
    assert re.search(rf"^{name}: .*pip install", done.stdout, re.MULTILINE)
    assert "Traceback" not in done.stdout + done.stderr
    assert "Python" in rows_of(done.stdout)  # and the rest was looked at all the same


def test_without_the_package_that_draws_the_table_doctor_says_so_in_one_sentence(phi2chat: Any, broken: Any) -> None:
    done = phi2chat("doctor", PYTHONPATH=broken("rich", "raise ImportError('no rich here')"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"phi2chat: rich: cannot be imported (no rich here); run {doctor.REINSTALL}\n"


def test_a_package_that_is_missing_or_too_old_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"old": "1.0", "good": "3.1rc1"}

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(doctor.metadata, "requires", lambda _: ["old>=2", "good>=3", "absent>=1,<2"])
    monkeypatch.setattr(doctor.metadata, "version", version)
    checks = list(doctor._packages())
    assert [(check.name, check.found) for check in checks] == [
        ("old", "1.0, wanted >=2"),
        ("good", "3.1rc1, wanted >=3"),
        ("absent", "missing, wanted <2,>=1"),
    ]
    mends = [check.mend.partition(" -m ")[2] for check in checks]
    assert mends == ["pip install 'old>=2'", "", "pip install 'absent<2,>=1'"]


def test_what_only_an_extra_or_another_system_needs_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [
        "pytest>=9; python_version >= '3'",
        "absent>=1; extra == 'confusion'",
        "absent>=1; python_version >= '3' and extra == 'confusion'",
        "absent>=1; sys_platform == 'nowhere'",
    ]
    monkeypatch.setattr(doctor.metadata, "requires", lambda _: wanted)
    assert [(check.name, check.mend) for check in doctor._packages()] == [("pytest", "")]


def test_what_a_look_found_before_it_failed_is_kept() -> None:
    def _gadgets() -> Iterator[Check]:
        yield Check("one", "there")
        raise ImportError("no module named gadget")

    first, second = doctor._look(_gadgets)
    assert first == Check("one", "there")
    assert (second.name, second.found) == ("looking at gadgets", "no module named gadget")
    assert "pip install" in second.mend


@pytest.mark.parametrize(
    ("gib", "fits"),
    [(1, []), (2, ["4 bit"]), (8, ["bf16", "4 bit"]), (24, ["full precision", "bf16", "4 bit"])],
)
def test_what_of_phi2_fits_leaves_room_to_reply_in(gib: int, fits: list[str]) -> None:
    answers = doctor._what_fits(gib * 2**30).split(", ")
    assert [answer.partition(" (")[0] for answer in answers if answer.endswith(") fits")] == fits
    assert len(answers) == 3


def test_the_size_of_phi2_is_that_of_its_weights() -> None:
    hidden, inner, layers, vocabulary = 2560, 10240, 32, 51200  # config.json of microsoft/phi-2
    attention = 4 * (hidden * hidden + hidden)
    mlp = hidden * inner + inner + inner * hidden + hidden
    norm = 2 * hidden
    assert layers * (attention + mlp + norm) + 2 * vocabulary * hidden + vocabulary + norm == PHI2_PARAMETERS
