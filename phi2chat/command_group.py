"""A group of commands whose help says each of them in full, in a terminal of any width."""

import shutil

import click

NARROWEST = 52  # below this click breaks no lines, and the terminal breaks them within words


class CommandGroup(click.Group):
    """A group that lists its commands by whole sentences, where click's own would end them in dots."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line, or more, for each command."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, command.get_short_help_str(limit=1000))
            for name, command in commands
            if command is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def narrow_width() -> int | None:
    """How wide help may be in a terminal too narrow for click, else None."""
    columns = shutil.get_terminal_size().columns
    return columns - 2 if columns < NARROWEST else None
