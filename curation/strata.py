"""The same share of every kind of record on the eval side, as far as families that stay whole allow.

A family is known by its key; in the order of the keys they are held out.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, MutableMapping, Set
from typing import Literal

from curation.records import Record

Side = Literal["train", "eval"]
Stratum = tuple[str, str]


def stratum_of(record: Record) -> Stratum:
    """Language and category of a record."""
    return record.language, str(record.data.get("category", ""))


def strata_of(counts: Mapping[tuple[bytes, Stratum], int]) -> dict[bytes, Stratum]:
    """Of each family the stratum of most of its records, or of several the first by name."""
    most: dict[bytes, Stratum] = {}
    for (family, stratum), count in counts.items():
        other = most.setdefault(family, stratum)
        if (-count, stratum) < (-counts[family, other], other):
            most[family] = stratum
    return most


def balance(
    sides: MutableMapping[bytes, Side],
    free: Set[bytes],
    strata: Mapping[bytes, Stratum],
    share: float,
) -> None:
    """Move free families to the other side until each stratum holds out `share` of its families, rounded up or down.

    Of the free, those go whose key is nearest to the limit of the rule. The others stay.
    """
    members: defaultdict[Stratum, list[bytes]] = defaultdict(list)
    for family, stratum in strata.items():
        members[stratum].append(family)
    for stratum in sorted(members):
        families = sorted(members[stratum])
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
    sides: MutableMapping[bytes, Side],
    free: Set[bytes],
    records: Mapping[bytes, int],
    min_eval: int,
) -> bool:
    """Move free families to eval until that has `min_eval` records, but not the last of train; whether it has."""
    held = sum(records[family] for family, side in sides.items() if side == "eval")
    trained = sum(side == "train" for side in sides.values())
    for family in sorted(free):
        if held >= min_eval or trained == 1:
            break
        if sides[family] == "train":
            sides[family] = "eval"
            held, trained = held + records[family], trained - 1
    return held >= min_eval
