"""The front door: argv -> the one command that is asked for -> exit code.

Exit codes: 0 good, 1 the user can fix it (one sentence on stderr), 2 usage, 130 Ctrl-C; a bug keeps its traceback.
"""

import atexit
import contextlib
import errno
import importlib
import logging
import os
import signal
import sys
from typing import Never

import click

from curation.errors import UserError
from phi2chat import __version__, background
from phi2chat.command_group import CommandGroup, narrow_width

# Light modules: what is heavy, a command imports when it runs. One line a command; its help stands in its docstring.
COMMANDS = {
    "ask": "phi2chat.commands.ask",
    "completion": "phi2chat.commands.completion",
    "curate": "phi2chat.commands.curate",
    "demo": "phi2chat.commands.demo",
    "doctor": "phi2chat.commands.doctor",
    "evaluate": "phi2chat.commands.evaluate",
    "export": "phi2chat.commands.export",
    "repl": "phi2chat.commands.repl",
    "rounds": "phi2chat.commands.rounds",
    "script": "phi2chat.commands.script",
    "train": "phi2chat.commands.train",
}
FULL_DISK = {errno.ENOSPC, errno.EDQUOT}


class LazyCommands(CommandGroup):
    """A group whose commands are imported when they are looked at."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name]).command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click itself would end with exit code 1
            return _leave_quietly()


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="phi2chat")
def phi2chat() -> None:
    """Make a small language model reason and answer well in your own language.

    \b
    curate the records, train on them, chat with the result:
      phi2chat curate validate datasets/ja-basics.jsonl
      phi2chat train datasets/ja-basics.jsonl --base smollm2-135m
      phi2chat repl --adapter runs/ja-basics-smollm2-135m
    """


def main() -> Never:
    """Run the command line and exit."""
    # A waiting OpenMP thread spins by default and takes the core from whoever else could use it.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Batches differ in size from step to step, and the allocator would keep a block for each size and run out.
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # PEFT imports it, and it talks of kernels on a CPU
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # TRL would report the start of every training
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # a terminal of another encoding gets a replacement character, not an exception
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    from phi2chat.terminal.safe_errors import make_errors_safe

    make_errors_safe()
    try:
        code = _run()
    except BaseException as bug:
        if not background.is_at_work():
            raise
        sys.excepthook(type(bug), bug, bug.__traceback__)
        code = 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done; a late Ctrl-C would only disturb the way out
    if background.is_at_work():
        _leave_at_once(code)
    sys.exit(code)


def _run() -> int:
    for argument in sys.argv[1:]:
        if not argument.isascii() and argument != argument.encode("utf-8", "replace").decode("utf-8"):
            return _fail(f"{argument!a}: holds a byte that is not UTF-8; set the terminal to UTF-8 and type it again")
    try:
        code = phi2chat.main(standalone_mode=False, prog_name="phi2chat", terminal_width=narrow_width())
        if sys.stdout is not None:
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:
        return _interrupted()
    except KeyboardInterrupt:
        return _interrupted()
    except click.ClickException as error:
        from phi2chat.terminal.safe_errors import describe_usage_error

        print(describe_usage_error(error), end="", file=sys.stderr)
        return error.exit_code
    except UserError as error:
        return _fail(str(error))
    except BrokenPipeError:
        return _leave_quietly()
    except OSError as error:
        if error.errno in FULL_DISK and error.filename is None:
            return _fail("the output cannot be written, its disk is full; what was asked for may be done already")
        if error.errno in FULL_DISK:
            return _fail(f"{error.filename}: the disk is full; make room and run the command again")
        if error.filename is not None and error.errno is not None:
            return _fail(f"{error.filename}: {error.strerror}; check the path and its permissions")
        raise


def _leave_at_once(code: int) -> Never:
    # Python would take itself apart under a compiler that is at work, and the process would end in an abort.
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def _leave_quietly() -> int:
    # The reader went away, as in `| head`; Python's own flush at exit would fail once more.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _fail(sentence: str) -> int:
    from phi2chat.terminal.safe_text import safe

    shown = safe(f"phi2chat: {sentence}")
    with contextlib.suppress(OSError, ValueError, AttributeError):  # no terminal, or no stderr at all
        width = os.get_terminal_size(sys.stderr.fileno()).columns
        from phi2chat.terminal.wrap import wrap

        shown = wrap(shown, width or 80)
    print(shown, file=sys.stderr)
    return 1


def _interrupted() -> int:
    with contextlib.suppress(OSError):  # the terminal may be closed
        print("phi2chat: interrupted", file=sys.stderr)
    return 130
