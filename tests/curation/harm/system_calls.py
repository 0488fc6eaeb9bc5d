"""What strace saw: the system calls of each process in their order."""

import functools
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from programs import start

# They change nothing that others see, and how many there are depends on the allocator: to die in one of them is to die
# in the call after it.
INWARD = {"brk", "mmap", "munmap", "mremap", "madvise", "mprotect", "getpid", "gettid", "futex", "getrandom",
          "rt_sigaction", "rt_sigprocmask", "exit_group", "exit", "clone", "clone3", "set_robust_list", "rseq",
          "wait4", "clock_nanosleep", "restart_syscall"}  # fmt: skip

_LINE = re.compile(r"(\w+)\((.*)\) += (-?\d+)(.*)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True)
class Call:
    name: str
    arguments: str
    result: int
    is_injected: bool

    def texts(self) -> list[bytes]:
        """The strings among its arguments, where strace was given -xx."""
        return [bytes.fromhex(text.replace("\\x", "")) for text in _TEXT.findall(self.arguments)]

    def handle(self) -> int:
        return int(self.arguments.partition(",")[0])


def read_log(log: Path) -> list[Call]:
    """The calls of a process."""
    found = []
    for line in log.read_text(encoding="utf-8").splitlines():
        if match := _LINE.fullmatch(line):
            name, arguments, result, rest = match.groups()
            found.append(Call(name, arguments, int(result), "(INJECTED)" in rest))
        else:
            assert line.startswith(("+++", "---", "exit_group(")), f"a line that is not understood: {line[:200]}"
    return found


@functools.cache
def why_no_strace() -> str:
    """Why calls cannot be followed here; "" where they can."""
    if sys.platform != "linux" or shutil.which("strace") is None:
        return "strace is not installed, which kills a program in the middle of a system call"
    tried = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True)
    return f"strace may not look at other programs here: {tried.stderr.strip()}" if tried.returncode else ""


def needs_strace() -> None:
    if reason := why_no_strace():
        pytest.skip(reason)


def run_doomed(place: Path, runs: list[tuple[list[str], list[str]]]) -> list[dict[str, Any]]:
    """The results of runs of `doomed.py`, each of the options of strace and the names of operations."""
    order = {"place": str(place), "runs": [{"options": options, "operations": names} for options, names in runs]}
    with start("doomed.py", stdin=subprocess.PIPE) as doomed:
        told, _ = doomed.communicate(json.dumps(order))
    assert doomed.returncode == 0
    return [json.loads(line, object_hook=_with_bytes) for line in told.splitlines()]


def _with_bytes(members: dict[str, Any]) -> dict[str, Any]:
    files = {name: content.encode("latin-1") for name, content in members.get("files", {}).items()}
    return {**members, "files": files} if "files" in members else members


def record(place: Path, options: list[str], names: list[str]) -> tuple[dict[str, Any], dict[str, list[Call]]]:
    """What came of operations that all end, and the calls that each made."""
    (results,) = run_doomed(place, [(options, names)])
    return results, {name: read_log(place / f"log.{result['process']}") for name, result in results.items()}


def count_calls(place: Path, names: list[str]) -> tuple[dict[str, Any], dict[str, Counter[str]]]:
    """What operations do where nothing goes wrong, and how often each makes which call, with the one of its report."""
    clean, calls = record(place, ["-e", "trace=all"], names)
    return clean, {name: Counter(call.name for call in calls[name] if call.name not in INWARD) for name in names}
