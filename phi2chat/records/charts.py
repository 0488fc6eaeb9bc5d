"""The counts of a dataset as a picture."""

import io
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence

from curation.excerpts import excerpt

_MOST_BARS = 20
# Fonts that have kana and Han characters, as systems and distributions name them.
_FONTS = ("Noto Sans CJK JP", "Noto Sans JP", "IPAexGothic", "IPAGothic", "TakaoGothic", "VL Gothic", "Hiragino Sans",
          "Yu Gothic", "Meiryo", "MS Gothic", "WenQuanYi Zen Hei", "Droid Sans Fallback")  # fmt: skip

Bars = Sequence[tuple[str, int]]


def draw_bars(charts: Mapping[str, Bars]) -> tuple[bytes, bool]:
    """A PNG with a chart of bars for each title, and whether a font had every character of the labels."""
    os.environ["MPLBACKEND"] = "agg"  # a file is all we draw, whatever else the user draws on
    import matplotlib
    from matplotlib.figure import Figure

    fonts = _installed(_FONTS)
    labels = "".join(label for bars in charts.values() for label, _ in bars)
    is_complete = bool(fonts) or all(ord(char) < 0x250 for char in labels)
    heights = [1 + 0.28 * min(len(bars), _MOST_BARS) for bars in charts.values()]
    with matplotlib.rc_context({"font.family": [*fonts, "DejaVu Sans"], "text.parse_math": False}):
        figure = Figure(figsize=(7, sum(heights)), layout="constrained")
        axes = figure.subplots(len(charts), 1, height_ratios=heights, squeeze=False)[:, 0]
        for axis, (title, bars) in zip(axes, charts.items(), strict=True):
            shown = list(bars)[:_MOST_BARS]
            names = [_drawable(label, fonts) for label, _ in shown]
            drawn = axis.barh(range(len(shown)), [count for _, count in shown])
            axis.bar_label(drawn, [f"{count:,}" for _, count in shown], padding=3)
            axis.set_yticks(range(len(shown)), names)
            axis.margins(x=0.12)
            axis.invert_yaxis()
            axis.set_title(title, loc="left")
        content = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a character that the font does not have either
            figure.savefig(content, format="png", dpi=144)
    return content.getvalue(), is_complete


def _installed(names: Iterable[str]) -> list[str]:
    from matplotlib import font_manager

    there = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in names if name in there][:1]


def _drawable(label: str, fonts: Sequence[str]) -> str:
    """A label on one line, short, and without what no font has: that would be an empty box."""
    line = "".join(char if char.isprintable() else "?" for char in label)
    if not fonts:
        line = "".join(char if ord(char) < 0x250 else f"\\u{ord(char):04x}" for char in line)
    return excerpt(line)
