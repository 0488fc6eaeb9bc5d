"""One file beside others: what was trained on must not be asked again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from curation.facts import Questions, Source
from curation.near import Portion, Texts, find_near

from .declare import Fault, Rule, declare

declare(
    Rule(
        "leak",
        "against",
        "No family stands in both files, and no question, in whatever language its answer is.",
        "Split again with `phi2chat curate split`, or remove it from one of the files.",
    ),
    Rule(
        "near-leak",
        "against",
        "No question of one file is nearly one of the other.",
        "Remove it from one of the files, or give both one `family` and split again.",
        "warning",
    ),
)

KINDS = {"leak": ("wording", "family", "id"), "near-leak": ("wording",)}  # the digests of `Facts` that each looks at


def find_leaks(source: Source, others: Sequence[Source], chosen: frozenset[str]) -> Iterator[tuple[int, Fault]]:
    """The records of a file that stand in one of the others too: by family, by question, or nearly."""
    leaked: set[int] = set()
    for other in others if "leak" in chosen else ():
        for place, fault in _find_same(source, other):
            if place not in leaked:
                leaked.add(place)
                yield place, fault
    for other in others if "near-leak" in chosen else ():
        for place, fault in _find_near(source, other):
            if place not in leaked:
                leaked.add(place)
                yield place, fault


def _find_same(source: Source, other: Source) -> Iterator[tuple[int, Fault]]:
    mine, theirs = source.facts.digests, other.facts.digests
    questions = {one: place for place, one in reversed(list(enumerate(theirs["wording"]))) if one}
    families = {one: place for place, one in reversed(list(enumerate(theirs["family"]))) if one}
    ids = {one: place for place, one in reversed(list(enumerate(theirs["id"]))) if one}
    for place in range(len(source.facts.lines)):
        if (twin := questions.get(mine["wording"][place])) is not None:
            where = f"{other.path}:{other.facts.lines[twin]}"
            yield place, Fault("leak", f"the same question stands in {where}", "instruction")
        elif family := mine["family"][place]:  # a record without one is its own family, by its id
            twin = families.get(family, ids.get(family))
            if twin is not None:
                name = source.entry(place).record.data["family"]
                where = f"{other.path}:{other.facts.lines[twin]}"
                yield place, Fault("leak", f'the family "{name}" also stands in {where}', "family")
        elif (twin := families.get(mine["id"][place])) is not None:
            where = f"{other.path}:{other.facts.lines[twin]}"
            yield place, Fault("leak", f"{where} says that it is of this family", "id")


def _find_near(source: Source, other: Source) -> Iterator[tuple[int, Fault]]:
    theirs = [place for place, asked in enumerate(other.facts.digests["wording"]) if asked]
    mine = [place for place, asked in enumerate(source.facts.digests["wording"]) if asked]
    before, after = Questions(other, theirs), Questions(source, mine)
    if not before or not after:
        return
    for pair in find_near(_Both(before, after), across=len(before), engine=source.engine):
        line = other.facts.lines[theirs[pair.first]]
        message = f"{pair.likeness:.2f} like {other.path}:{line}"
        yield mine[pair.second - len(before)], Fault("near-leak", message, "instruction")


@dataclass(frozen=True)
class _Both:
    """The texts of two files as one, neither of them read at once."""

    first: Texts
    second: Texts

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def portion(self, places: Sequence[int]) -> "_OfBoth":
        end = len(self.first)
        in_first = [place < end for place in places]
        first = self.first.portion([place for place in places if place < end])
        return _OfBoth(first, self.second.portion([place - end for place in places if place >= end]), in_first)


@dataclass(frozen=True)
class _OfBoth:
    first: Portion
    second: Portion
    in_first: Sequence[bool]

    def read(self) -> Sequence[str]:
        first, second = iter(self.first.read()), iter(self.second.read())
        return [next(first if is_first else second) for is_first in self.in_first]
