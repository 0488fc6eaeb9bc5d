"""`phi2chat completion`: the script that teaches a shell to complete every command and option."""

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash: phi2chat completion bash > ~/.local/share/bash-completion/completions/phi2chat
    zsh:  echo 'eval "$(phi2chat completion zsh)"' >> ~/.zshrc
    fish: phi2chat completion fish > ~/.config/fish/completions/phi2chat.fish
    """
    completer = get_completion_class(shell)
    assert completer is not None
    click.echo(completer(ctx.find_root().command, {}, "phi2chat", "_PHI2CHAT_COMPLETE").source())
