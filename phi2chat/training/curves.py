"""The loss curve of a run: as loss.png, and as text for the terminal."""

import os
from pathlib import Path

Points = list[tuple[int, float]]


def save_loss_png(path: Path, losses: Points, eval_losses: Points) -> None:
    """Draw train loss and eval loss over the steps into a PNG file."""
    os.environ["MPLBACKEND"] = "agg"  # a file is all we draw, whatever else the user draws on
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    if losses:
        axes.plot(*zip(*losses, strict=True), label="train loss", linewidth=1)
    axes.plot(*zip(*eval_losses, strict=True), label="eval loss", marker="o")
    axes.set_xlabel("step")
    axes.set_ylabel("nats per completion token")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=144)


def draw_losses(losses: Points, eval_losses: Points, width: int, height: int = 14) -> str:
    """The same curve in characters, without any escape sequence."""
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(width, height)
    if losses:
        plotext.plot(*zip(*losses, strict=True))
    plotext.scatter(*zip(*eval_losses, strict=True), marker="●")
    # Above the curve: plotext's own legend covers the upper left, where the first and highest losses are.
    plotext.title("▞▞ train loss  ● eval loss" if losses else "● eval loss")
    plotext.xlabel("step")
    return str(plotext.uncolorize(plotext.build()))
