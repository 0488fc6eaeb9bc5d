"""The model that the options of `ask` and `repl` name: a server's, or one that is loaded here."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from phi2chat.config import EndpointConfig, ModelConfig, build

if TYPE_CHECKING:
    from phi2chat.chatting.chat import Model


def open_model(flags: Mapping[str, Any], progress: Callable[[str], None], stays: bool = False) -> "Model":
    """The model, ready to reply, and where it `stays`, for a long talk; torch is imported for a local one only.

    Raises UserError where it cannot be had, and click.UsageError for options of both kinds at once.
    """
    endpoint, local = build(EndpointConfig, flags), build(ModelConfig, flags)
    if endpoint.endpoint is None:
        if endpoint != EndpointConfig():
            raise click.UsageError("--model, --style and --raw are for a server; name it with --endpoint URL.")
        from phi2chat.weights.models import load

        return load(local, progress, stays)
    if local != ModelConfig():
        given = ", ".join(f"--{name}" for name, value in vars(local).items() if value != getattr(ModelConfig(), name))
        raise click.UsageError(f"{given}: is for a model that runs here; leave it out, or leave out --endpoint.")
    from phi2chat.remote.endpoint import connect

    return connect(endpoint, progress=progress)
