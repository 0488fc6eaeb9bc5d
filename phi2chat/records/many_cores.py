"""`--jobs` and `--engine` of the commands that look at a large file: who does the work."""

from typing import TYPE_CHECKING

import click

from curation.errors import UserError

if TYPE_CHECKING:
    from curation.engines import Engine

JOBS = click.option(
    "--jobs", type=click.IntRange(0), default=0, help="Processes; by default one a core, for large files."
)
ENGINE = click.option(
    "--engine",
    type=click.Choice(["processes", "ray"]),
    default="processes",
    show_default=True,
    help="Who does the work. Ray's workers may be on several machines, where the file has the same path.",
)


def choose_engine(name: str, jobs: int) -> "Engine":
    """The engine of these options. Raises UserError where Ray is not installed."""
    if name == "processes":
        from curation.engines import Processes

        return Processes(jobs)
    from curation.ray_engine import RayEngine

    try:
        return RayEngine(jobs)
    except ModuleNotFoundError as error:
        if error.name not in ("ray", "ray.data"):
            raise
        raise UserError("--engine ray: Ray is not installed; run `pip install 'ray[data]'`") from None
