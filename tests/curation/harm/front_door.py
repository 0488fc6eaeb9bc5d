"""Runs commands of the command line in one process: the arguments as JSON a line, and as many answers.

An answer has the exit code and what was said on stderr; the code of a command that ended in a traceback is "traceback".
"""

import contextlib
import io
import json
import sys
import traceback

from phi2chat.cli import _run


def run(arguments: list[str]) -> tuple[int | str, str]:
    said = io.StringIO()
    sys.argv = ["phi2chat", *arguments]
    sys.stdin = io.TextIOWrapper(io.BytesIO())
    with (
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8", "replace")),
    ):
        try:
            return _run(), said.getvalue()
        except BaseException:
            return "traceback", traceback.format_exc()


def main() -> None:
    answers = sys.stdout
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
