"""What two sides of a split share, whoever made them: ids, families, questions; and where they contradict."""

import contextlib
import pickle
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curation.atomic import close
from curation.errors import UserError
from curation.facts import digest, question_key
from curation.likeness import answers_differ
from curation.lookup import Lookup
from curation.near import HeldTexts, NearPair, find_near

# place, record
Entry = tuple[str, Mapping[str, Any]]

_KEPT = ("instruction", "input", "answer", "language", "id", "family")


@dataclass(frozen=True)
class Leak:
    """An eval record and the train record that gives it away; the places are as they were handed in."""

    rule: str
    train: str
    eval: str
    message: str


def find_leaks(train: Iterable[Entry], evals: Iterable[Entry]) -> list[Leak]:
    """Every leak, in the order of the eval side; one for each eval record and rule.

    Both sides are gone through once, and what is looked at again waits on the disk: of each record 40 to 64 bytes are
    held. Raises UserError where the disk has no room for it.
    """
    with contextlib.ExitStack() as files:
        sides = [files.enter_context(contextlib.closing(_Side(entries))) for entries in (train, evals)]
        return list(_find(*sides)) if all(sides) else []


def _find(train: "_Side", evals: "_Side") -> Iterator[Leak]:
    near = {pair.second - len(train): pair for pair in _near(train, evals)}
    lookups = {field: Lookup(train.digests[field]) for field in ("id", "family", "question")}
    for number in range(len(evals)):
        place, data = evals.entry(number)
        alike = {field: lookup.places(evals.digests[field][number]) for field, lookup in lookups.items()}
        for field in ("id", "family"):
            value = data.get(field)
            if value is not None and (first := next(alike[field], None)) is not None:
                yield Leak(f"same-{field}", train.entry(first)[0], place, f'"{value}" is on the train side too')
        if (first := next(alike["question"], None)) is not None:
            yield Leak("same-question", train.entry(first)[0], place, "asks the same")
            answer = str(data.get("answer", ""))
            found = map(train.entry, _first_of_each(train.digests["answer"], (first, *alike["question"])))
            other = next((at for at, one in found if answers_differ(str(one.get("answer", "")), answer)), None)
            if other is not None:
                yield Leak("contradiction", other, place, "asks the same and answers otherwise")
        elif pair := near.get(number):
            alike_place = train.entry(pair.first)[0]
            yield Leak("near-question", alike_place, place, f"{pair.likeness:.2f} like this question")


def _first_of_each(numbers: Sequence[int], places: Iterable[int]) -> Iterator[int]:
    """The places of numbers that stand at none of those before: a thousand may ask and answer the same."""
    seen: set[int] = set()
    for place in places:
        if numbers[place] not in seen:
            seen.add(numbers[place])
            yield place


@contextlib.contextmanager
def _finding_room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"the records find no room in the folder of temporary files ({error.strerror}); set TMPDIR to another"
        ) from None


class _Side:
    """The records of one side: on the disk, but for a few numbers of each."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.digests = {field: array("Q") for field in ("id", "family", "question", "answer")}
        self._starts = array("Q")
        with _finding_room():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the side
        end = 0
        for place, data in entries:
            self._starts.append(end)
            with _finding_room():
                end += self._file.write(pickle.dumps((place, {field: data[field] for field in _KEPT if field in data})))
            self.digests["question"].append(digest(question_key(data)))
            self.digests["answer"].append(digest(str(data.get("answer", ""))))
            for field in ("id", "family"):
                value = data.get(field)
                self.digests[field].append(0 if value is None else digest(str(value)))
        with _finding_room():
            self._file.flush()

    def __len__(self) -> int:
        return len(self._starts)

    def entry(self, number: int) -> Entry:
        """A record and its place; of the record what a leak is known by."""
        self._file.seek(self._starts[number])
        found: Entry = pickle.load(self._file)  # of our own making, and nobody else can open it
        return found

    def close(self) -> None:
        close(self._file)


@dataclass(frozen=True)
class _Questions:
    """What the records of both sides ask, as `near.Texts`."""

    train: _Side
    evals: _Side

    def __len__(self) -> int:
        return len(self.train) + len(self.evals)

    def portion(self, places: Sequence[int]) -> HeldTexts:
        return HeldTexts([self._text(place) for place in places])

    def _text(self, place: int) -> str:
        end = len(self.train)
        _, data = self.train.entry(place) if place < end else self.evals.entry(place - end)
        return f"{data.get('instruction', '')}\n{data.get('input', '')}"


def _near(train: _Side, evals: _Side) -> Sequence[NearPair]:
    return find_near(_Questions(train, evals), across=len(train))
