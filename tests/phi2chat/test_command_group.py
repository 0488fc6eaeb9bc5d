"""The help of a group says what each of its commands does, whole, in a terminal of any width."""

import os
import subprocess
import sys

import pytest


def help_of(*group: str, columns: int) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "phi2chat", *group, "--help"],
        env={**os.environ, "COLUMNS": str(columns)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


@pytest.mark.parametrize("group", [(), ("curate",), ("rounds",), ("script",)])
def test_no_command_is_described_by_half_a_sentence(group: tuple[str, ...]) -> None:
    commands = help_of(*group, columns=80).partition("Commands:\n")[2].splitlines()
    assert len(commands) >= 2
    assert [line for line in commands if line.endswith("...")] == []
    assert max(len(line) for line in commands) < 80


def test_a_narrow_terminal_gets_lines_that_end_between_words() -> None:
    commands = help_of("rounds", columns=40).partition("Commands:\n")[2].splitlines()
    assert max(len(line) for line in commands) < 40
