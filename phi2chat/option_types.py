"""What the value of an option may be, from a flag or from YAML; click has no type for these."""

import math
import re
from typing import Any

import click

TRACKERS = ("tensorboard", "trackio", "wandb")
LARGEST_INT = 2**31 - 1


class SaneIntRange(click.IntRange):
    """A whole number in a range, which no library it goes to finds too large."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number = int(super().convert(value, param, ctx))
        if self.max is None and number > LARGEST_INT:
            self.fail(f"{value} is too large", param, ctx)
        return number


class FiniteRange(click.FloatRange):
    """A number in a range; NaN, which no range keeps out by itself, is in none."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


class LanguageTag(click.ParamType[str]):
    """A BCP 47 tag such as ja or zh-Hans, as curation/record.schema.json has it.

    No language is called jp or cn, which are countries, or by four letters and more, as in japanese: the guard would
    know none of these and mark nothing.
    """

    name = "tag"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"(?!(?i:jp|cn)(-|$))[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*", str(value)):
            self.fail(f"{value!r} is not a language tag such as ja, en or zh-Hans", param, ctx)
        return str(value)


class LanguageTags(LanguageTag):
    """Several tags with commas between them, or a list in YAML."""

    name = "tags"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        tags = [str(tag).strip() for tag in (value if isinstance(value, list) else str(value).split(","))]
        return ",".join(dict.fromkeys(LanguageTag.convert(self, tag, param, ctx) for tag in tags))


class TrackerNames(click.ParamType[str]):
    """Where a run's curves are sent: names with commas between them, or a list in YAML."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        names = [str(name).strip() for name in (value if isinstance(value, list) else str(value).split(","))]
        for name in names:
            if name not in TRACKERS:
                self.fail(f"{name!r} is none of {', '.join(TRACKERS)}", param, ctx)
        return ",".join(dict.fromkeys(names))
