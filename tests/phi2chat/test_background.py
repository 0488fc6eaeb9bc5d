"""Nobody waits for work in the background, least of all who leaves."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from phi2chat import background


def test_the_end_of_the_work_and_its_error_are_in_the_future() -> None:
    def fail() -> None:
        raise RuntimeError("no C compiler")

    assert background.begin("work", lambda: None).result(60) is None
    with pytest.raises(RuntimeError, match="no C compiler"):
        background.begin("work", fail).result(60)


def test_what_computes_in_the_background_gives_way_at_once_as_long_as_it_goes_on() -> None:
    usual, seen = sys.getswitchinterval(), []
    first, second = threading.Event(), threading.Event()
    works = [background.begin("work", event.wait) for event in (first, second)]
    background.begin("work", lambda: seen.append(sys.getswitchinterval())).result(60)
    first.set()
    works[0].result(60)
    seen.append(sys.getswitchinterval())
    second.set()
    works[1].result(60)
    assert background.is_at_work() is False
    assert max(seen) < usual / 10
    assert sys.getswitchinterval() == usual


AT_WORK = """
import atexit, sys, threading
from pathlib import Path
from phi2chat import background, cli

for _ in range(3):
    background.begin("kernels", threading.Event().wait)  # which never comes to an end
atexit.register(Path(sys.argv.pop()).write_text, "tidied up")
command = cli.click.Command("divide", callback=lambda: 1 // 0)
cli.COMMANDS["divide"] = __name__
print("said,", end=" ")
cli.main()
"""


@pytest.mark.parametrize(("argument", "code"), [("--version", 0), ("--nothing", 2), ("divide", 1)])
def test_leaving_while_kernels_are_compiled_waits_for_nothing_and_loses_nothing(
    argument: str, code: int, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    note = tmp_path / "note"
    command = [sys.executable, "-c", AT_WORK, argument, str(note)]
    done = subprocess.run(command, env=clean_environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == code
    assert done.stdout.startswith("said, phi2chat, version" if code == 0 else "said, ")
    assert ("No such option" in done.stderr) is (code == 2)
    assert ("ZeroDivisionError" in done.stderr) is (code == 1) is ("Traceback" in done.stderr)
    assert note.read_text() == "tidied up"
