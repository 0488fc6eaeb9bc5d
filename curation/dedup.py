"""Records that ask nearly the same as one that is kept; a file without them, and no other byte changed."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from curation.atomic import locked, replacing
from curation.engines import Engine
from curation.errors import UserError
from curation.facts import Questions, Source
from curation.hunks import Piece
from curation.journal_file import Entry, Journal
from curation.likeness import answers_differ, likeness
from curation.near import find_near
from curation.records import Record, reading
from curation.scan import scan_file
from curation.split import family_of
from curation.store import Note, changed_meanwhile, content_digest, sha256_of, write_pieces

Keep = Literal["first", "longest"]

_TRIED = 20  # records that stay and are like the one that hides them


@dataclass(frozen=True)
class Doublet:
    """The lines, from 1, of a record that can go and of the one that stays, and how alike they are, up to 1."""

    line: int
    kept_line: int
    likeness: float
    question: str
    digest: bytes = field(repr=False)  # of the line, so that no other is removed
    kept_digest: bytes = field(repr=False)  # of the one that stays, for without it this one is no doublet


@dataclass
class Doublets:
    """What was found: sorted by line, the number of lines in all, of those that were left since their answers differ,
    and of texts worded as so many others that not each was held against each."""

    found: list[Doublet]
    lines: int
    contradictions: int
    crowded: int


def find_doublets(path: Path, threshold: float, keep: Keep = "first", engine: Engine | None = None) -> Doublets:
    """The records that can go, each at least `threshold` like one that stays (see `likeness`).

    They are of one language and of different families, for a family has rephrasings by design; one that is the same in
    all but the id goes in any case. Where two answers exclude each other, both stay. Raises UserError where the file
    cannot be read.
    """
    scan = scan_file(path, frozenset(), engine=engine, kinds=frozenset({"question", "wording"}))
    source = scan.source
    contradictions = crowded = 0
    copies = dict(_find_copies(source))
    gone = {place: (first, 1.0) for place, first in copies.items()}  # place -> the place of what stays, likeness
    asked = [place for place, digest in enumerate(source.facts.digests["wording"]) if digest and place not in copies]
    while True:
        places = [place for place in asked if place not in gone]
        pairs = find_near(Questions(source, places), threshold, engine=source.engine)
        crowded = max(crowded, pairs.crowded)
        nearest = {places[pair.second]: (places[pair.first], pair.likeness) for pair in pairs}
        new, unlike, contradictions = _choose(source, nearest, threshold, keep)
        gone |= new
        # What was only like a record that goes may be like another that stays, or stay itself. The first of those that
        # are alike is like nothing before it; the longest may be.
        back = [place for place, (kept, _) in gone.items() if kept in new and place not in copies]
        for place in back:
            del gone[place]
        if not back and not (new and (unlike or keep == "longest")):
            break
    found = []
    for place, (kept, alike) in sorted(gone.items()):
        if place in copies:  # as what it is a copy of, if that goes
            kept, alike = gone.get(kept, (kept, alike))
        entry = source.entry(place)
        digests = [hashlib.sha256(one.raw).digest() for one in (entry, source.entry(kept))]
        line, kept_line = source.facts.lines[place], source.facts.lines[kept]
        found.append(Doublet(line, kept_line, alike, entry.record.instruction, *digests))
    return Doublets(found, scan.lines, contradictions, crowded)


def _find_copies(source: Source) -> Iterator[tuple[int, int]]:
    """Each place of a record that is another's, in all but the id, and the first place of such a one."""
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for first, place in source.facts.repeated("question"):
        groups[first].append(place)
    for head, others in groups.items():
        seen: dict[bytes, int] = {}
        for place in (head, *others):
            data = {name: value for name, value in source.entry(place).record.data.items() if name != "id"}
            first = seen.setdefault(content_digest(data), place)
            if first != place:
                yield place, first


def _choose(
    source: Source, nearest: Mapping[int, tuple[int, float]], threshold: float, keep: Keep
) -> tuple[dict[int, tuple[int, float]], int, int]:
    """What goes, each with what stays; how many are like what goes alone; how many contradict what they are like."""
    heads: dict[int, int] = {}
    groups: defaultdict[int, list[int]] = defaultdict(list)
    roots: dict[int, int] = {}  # of those that hang together, the first
    staying: defaultdict[int, list[int]] = defaultdict(list)  # by the root of those it hangs together with
    unlike = contradictions = 0
    for place, (first, _) in sorted(nearest.items()):
        head = heads.get(first, first)
        root = roots[place] = roots.setdefault(first, first)
        others = staying[root] = staying[root] or [root]
        entry, other = source.entry(place).record, source.entry(head).record
        stays: int | None = head
        if head != first and _likeness(other, entry) < threshold:
            unlike += 1
            stays = None
        elif not _may_go(entry, other):
            # What is most alike may hide another one that this is a doublet of.
            hidden = (one for one in others[:_TRIED] if one != head and _is_doublet(source, entry, one, threshold))
            stays = next(hidden, None)
            contradictions += stays is None and _kin(entry, other) and _contradict(entry, other)
        if stays is None:
            others.append(place)
        else:
            heads[place] = stays
            groups[stays].append(place)
    gone: dict[int, tuple[int, float]] = {}
    for head, others in groups.items():
        records = {place: source.entry(place).record for place in (head, *others)}
        kept = head if keep == "first" else max(records, key=lambda place: (_length(records[place]), -place))
        for place, record in records.items():
            alike = _likeness(records[kept], record)
            if place != kept and alike >= threshold and _may_go(record, records[kept]):
                gone[place] = kept, alike
    return gone, unlike, contradictions


def write_without(path: Path, doublets: Sequence[Doublet], output: Path) -> None:
    """Write a file's other lines to another, byte by byte. Raises UserError where the file has changed meanwhile."""
    if os.path.realpath(output) == os.path.realpath(path):
        raise UserError(f"{output}: is the file itself; give another --output, or --yes to remove them from it")

    def kept() -> Iterator[bytes]:  # by itself, so that what cannot be read is not said of what is written
        with reading(path) as old:
            yield from (raw for raw, stays in _told_apart(old, doublets, path) if stays)

    with replacing(output) as staged, staged.open("wb") as new:
        new.writelines(kept())


def remove(path: Path, doublets: Sequence[Doublet]) -> Iterator[bytes]:
    """Take the lines out of the file, and return them as its journal has them, one at a time.

    Raises UserError where the file has changed meanwhile.
    """

    def pieces() -> Iterator[Piece]:
        with reading(path) as file:
            yield from ((raw, raw if stays else b"") for raw, stays in _told_apart(file, doublets, path))

    with locked(path):
        entry = write_pieces(path, pieces(), Note("dedup"), sha256_of(path))
    return _removed(path, entry) if entry else iter(())


def _removed(path: Path, entry: Entry) -> Iterator[bytes]:
    try:
        yield from (hunk.old for hunk in Journal(path).hunks(entry))
    except UserError:
        raise UserError(
            f"{path}: the records were removed, but the disk does not give back its journal, which has them;"
            " `phi2chat curate log --json` shows them"
        ) from None


def _told_apart(lines: Iterable[bytes], doublets: Sequence[Doublet], path: Path) -> Iterator[tuple[bytes, bool]]:
    """Each line, and whether it stays, as long as the doublets and what they are doublets of are what they were."""
    digests = {one.kept_line: one.kept_digest for one in doublets} | {one.line: one.digest for one in doublets}
    gone = {one.line for one in doublets}
    for number, line in enumerate(lines, start=1):
        digest = digests.pop(number, None)
        if digest is not None and hashlib.sha256(line).digest() != digest:
            raise changed_meanwhile(path)
        yield line, number not in gone
    if digests:
        raise changed_meanwhile(path)


def _kin(one: Record, other: Record) -> bool:
    return one.language == other.language and family_of(one) != family_of(other)


def _may_go(one: Record, other: Record) -> bool:
    return _kin(one, other) and not _contradict(one, other)


def _contradict(one: Record, other: Record) -> bool:
    return answers_differ(str(other.data.get("answer", "")), str(one.data.get("answer", "")))


def _is_doublet(source: Source, record: Record, place: int, threshold: float) -> bool:
    other = source.entry(place).record
    return _likeness(other, record) >= threshold and _may_go(record, other)


def _likeness(one: Record, other: Record) -> float:
    return likeness(f"{one.instruction}\n{one.input}", f"{other.instruction}\n{other.input}")


def _length(record: Record) -> int:
    return len(str(record.data.get("reasoning", ""))) + len(str(record.data.get("answer", "")))
