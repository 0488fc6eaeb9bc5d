"""The same share of every kind of record on the eval side, as far as families that stay whole allow."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Literal

from curation.records import Record

Side = Literal["train", "eval"]
Stratum = tuple[str, str]


def strata_of(keyed: Iterable[tuple[str, Record]]) -> dict[str, Stratum]:
    """Language and category of each family: those of most of its records, or of several the first by name."""
    counts: defaultdict[str, Counter[Stratum]] = defaultdict(Counter)
    for family, record in keyed:
        counts[family][record.language, str(record.data.get("category", ""))] += 1
    return {family: min(count, key=lambda one: (-count[one], one)) for family, count in counts.items()}


def balance(
    sides: MutableMapping[str, Side],
    free: Iterable[str],
    strata: Mapping[str, Stratum],
    share: float,
    positions: Mapping[str, int],
) -> None:
    """Move free families to the other side until each stratum holds out `share` of its families, rounded up or down.

    Of the free, those go whose position is nearest to the limit of the rule. The others stay.
    """
    free = set(free)
    members: defaultdict[Stratum, list[str]] = defaultdict(list)
    for family, stratum in strata.items():
        members[stratum].append(family)
    for stratum in sorted(members):
        families = sorted(members[stratum], key=positions.__getitem__)
        held = sum(sides[family] == "eval" for family in families)
        least, most = math.floor(share * len(families)), math.ceil(share * len(families))
        for family in families:
            if held < least and family in free and sides[family] == "train":
                sides[family] = "eval"
                held += 1
        for family in reversed(families):
            if held > most and family in free and sides[family] == "eval":
                sides[family] = "train"
                held -= 1


def hold_out(
    sides: MutableMapping[str, Side],
    free: Iterable[str],
    records: Mapping[str, int],
    min_eval: int,
    positions: Mapping[str, int],
) -> bool:
    """Move free families to eval until that has `min_eval` records, but not the last of train; whether it has."""
    held = sum(records[family] for family, side in sides.items() if side == "eval")
    trained = sum(side == "train" for side in sides.values())
    for family in sorted(free, key=positions.__getitem__):
        if held >= min_eval or trained == 1:
            break
        if sides[family] == "train":
            sides[family] = "eval"
            held, trained = held + records[family], trained - 1
    return held >= min_eval
