"""What a command holds in memory does not grow with what the records of a file say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RECORDS = 4000
LONG = 6_000  # characters of an answer: 24 MB in all
# On Linux, ru_maxrss of a child begins with that of the process that made it; VmHWM is its own.
CODE = """
import sys
from phi2chat.cli import _run
code = _run()
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(code, peak.split()[1], file=sys.stderr)
"""
COMMANDS = {
    "list": [["list", "x.jsonl"]],
    "split": [["split", "x.jsonl", "--output-dir", "side"], ["split", "more.jsonl", "--add-to", "side"]],
    "fix": [["validate", "x.jsonl", "--fix", "--select", "form"]],
    "edit": [["edit", "x.jsonl", "r7"]],
    "review": [[]],
    "again": [
        ["retag", "x.jsonl", "--where", "line<=100", "--category", "one"],
        ["diff", "x.jsonl", "--since", "0", "--json"],
        ["restore", "x.jsonl", "--at", "0", "--output", "was.jsonl"],
        ["diff", "was.jsonl", "x.jsonl"],
    ],
    "undo": [
        ["retag", "x.jsonl", "r7", "--category", "one"],
        ["undo", "x.jsonl"],
    ],
    "sides": [["check-split", "other.jsonl", "more.jsonl"]],
}
MANY = ("split", "again", "sides")  # processes, or seconds

REVIEW = """
import itertools, sys
from pathlib import Path
from curation.recheck import Rechecker
from phi2chat.reviewing.review import Review
from phi2chat.reviewing.review_item import as_they_are
from phi2chat.reviewing.reviewed_file import ReviewedFile
review = Review(ReviewedFile(Path("x.jsonl")), "someone")
list(itertools.islice(Rechecker(Path("x.jsonl")).check(as_they_are(review.items)), 2))
review.accept()
review.search("3999, that")
review.undo()
def _run():
    return 0 if review.message.startswith("saved: undone") else review.message
"""


def write_records(path: Path, name: str, chars: int, end: str = "") -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(RECORDS):
            answer = f"It is {number}, that is {'one more ' * (chars // 9)}"
            record = {
                "id": f"{name}{number}",
                "instruction": f"{number}?",
                "reasoning": "I count.",
                "answer": answer,
                "language": "en",
            }
            file.write(json.dumps(record) + "\n")
        file.write(end)


def peak_kib(folder: Path, environment: dict[str, str], arguments: list[str]) -> int:
    code = CODE if arguments else REVIEW + CODE.replace("from phi2chat.cli import _run\n", "")
    if arguments[:1] == ["undo"]:  # another program has changed the file since
        with (folder / "x.jsonl").open("ab") as file:
            file.write(b"\n")
    command = [sys.executable, "-c", code, "curate", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    code, peak = done.stderr.split()[-2:]
    assert code == "0", done.stderr
    return int(peak)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in MANY else name for name in COMMANDS],
)
def test_a_command_holds_no_more_of_long_records_than_of_short_ones(
    quick_folder: Path, clean_environment: dict[str, str], name: str
) -> None:
    environment = {**clean_environment, "EDITOR": "sed -i s/count/counted/", "VISUAL": ""}
    peaks: list[list[int]] = []
    for chars in (10, LONG):
        folder = quick_folder / str(chars)
        folder.mkdir()
        write_records(folder / "x.jsonl", "r", chars, "\n")
        write_records(folder / "more.jsonl", "s", chars)
        (folder / "other.jsonl").write_text(json.dumps({"id": "o", "instruction": "Why?", "answer": "So."}) + "\n")
        if name == "split":
            (folder / "x.jsonl").write_bytes((folder / "x.jsonl").read_bytes().rstrip(b"\n") + b"\n")
        peaks.append([peak_kib(folder, environment, arguments) for arguments in COMMANDS[name]])
    size_kib = (quick_folder / str(LONG) / "x.jsonl").stat().st_size // 1024
    more = [large - small for small, large in zip(*peaks, strict=True)]
    assert max(more) < size_kib / 2
