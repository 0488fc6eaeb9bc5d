"""What Python, click and libraries print by themselves, made as safe as what we print: tracebacks, warnings, logs.

Each of them can quote text we did not write: an argument, a file name, a setting of somebody else's model.
"""

import contextlib
import io
import logging
import sys
import threading
import traceback
import warnings
from types import TracebackType
from typing import Any, TextIO

import click

from phi2chat.terminal.safe_text import safe


def make_errors_safe() -> None:
    """From now on, tracebacks, warnings and log records hold nothing that could steer a terminal."""
    sys.excepthook = _show_bug
    threading.excepthook = lambda args: _show_bug(args.exc_type, args.exc_value, args.exc_traceback)
    format_warning = warnings.formatwarning

    def show_warning(
        message: Warning | str, category: type[Warning], filename: str, lineno: int,
        file: TextIO | None = None, line: str | None = None,
    ) -> None:  # fmt: skip
        print(safe(format_warning(message, category, filename, lineno, line)), end="", file=file or sys.stderr)

    make_record = logging.getLogRecordFactory()

    def make_safe_record(*args: Any, **options: Any) -> logging.LogRecord:
        record = make_record(*args, **options)
        with contextlib.suppress(Exception):  # a record that cannot be put together is logging's to complain of
            record.msg, record.args = safe(record.getMessage()), ()
        return record

    warnings.showwarning = show_warning
    logging.setLogRecordFactory(make_safe_record)


def _show_bug(kind: type[BaseException], error: BaseException | None, where: TracebackType | None) -> None:
    print(safe("".join(traceback.format_exception(kind, error, where))), end="", file=sys.stderr)


def describe_usage_error(error: click.ClickException) -> str:
    """What click says of a command line, whose arguments it quotes."""
    shown = _Shown()
    error.show(shown)
    return safe(shown.getvalue())


class _Shown(io.StringIO):
    """Poses as a terminal, for from anything else click takes escape sequences away without a word."""

    def isatty(self) -> bool:
        return True
