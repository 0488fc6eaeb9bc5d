"""The records of one file beside one another: doublets, contradictions, and too much of one kind."""

import unicodedata
from array import array
from collections.abc import Callable, Iterator
from itertools import groupby

from curation.excerpts import excerpt
from curation.facts import Questions, Source
from curation.likeness import answers_differ
from curation.near import find_near
from curation.records import Record
from curation.split import family_of

from .declare import Fault, Rule, declare

Found = Iterator[tuple[int, Fault]]  # the place of a record, and what is wrong with it; sorted by place
SetCheck = Callable[[Source], Found]

SET_CHECKS: dict[SetCheck, str] = {}  # each with the id of what it finds
KINDS: dict[str, tuple[str, ...]] = {}  # by the id of the rule, the digests of `Facts` that it looks at
FEW_RECORDS = 20  # of fewer, no kind is said to have too many
MANY_TIMES = 10  # as many records of one category or language as of the others in the mean
_MANY_CROWDED = 0.01  # of all questions were not held against each that is worded alike
MANY_ANSWERS = 0.2  # of all records have one and the same answer
_UNEVEN = ("category", "language", "answer")


def _finds(rule: Rule, *kinds: str) -> Callable[[SetCheck], SetCheck]:
    declare(rule)
    KINDS[rule.id] = kinds

    def register(check: SetCheck) -> SetCheck:
        SET_CHECKS[check] = rule.id
        return check

    return register


@_finds(Rule("duplicate-id", "set", "An id is used once in a file.", "Give the later record another id."), "id")
def find_duplicate_ids(source: Source) -> Found:
    """Ids that stand on an earlier line."""
    for first, place in source.facts.repeated("id"):
        record_id, line = source.entry(place).record.id, source.facts.lines[first]
        yield place, Fault("duplicate-id", f'"{record_id}" was already used on line {line}', "id")


@_finds(
    Rule(
        "duplicate-question",
        "set",
        "A question is asked once in each language. Width, case, blanks and punctuation make no other question, but "
        "may vary within a family.",
        "Remove one, or ask otherwise.",
        "warning",
    ),
    "question",
)
def find_duplicate_questions(source: Source) -> Found:
    """Questions that stand on an earlier line."""
    for first, place in source.facts.repeated("question"):
        before, after = source.entry(first).record, source.entry(place).record
        if _letters(before) != _letters(after) and family_of(before) == family_of(after):
            continue  # a family may hold its question with and without a comma
        message = f"the same question stands on line {source.facts.lines[first]}"
        yield place, Fault("duplicate-question", message, "instruction")


@_finds(
    Rule(
        "contradiction",
        "set",
        "What is asked twice in one language is answered the same.",
        "Correct one of the answers. One that only says more than the other is no contradiction.",
        "warning",
    ),
    "question",
    "answer",
)
def find_contradictions(source: Source) -> Found:
    """The same question with another answer than on its first line."""
    answers = source.facts.digests["answer"]
    for first, place in source.facts.repeated("question"):
        if answers[first] != answers[place] and answers[first] and answers[place]:
            before, after = source.entry(first).record.answer, source.entry(place).record.answer
            if answers_differ(before, after):
                message = f'line {source.facts.lines[first]} answers the same question "{excerpt(before)}"'
                yield place, Fault("contradiction", message, "answer")


@_finds(
    Rule(
        "near-duplicate",
        "set",
        "No question is nearly that of another family.",
        "Give both one `family` if they ask the same, so that they are not split apart; or remove one.",
        "warning",
    ),
    "question",
    "language",
)
def find_near_duplicates(source: Source) -> Found:
    """Questions of one language in nearly the same words; how near is said as the share of common 2- and 3-grams."""
    facts = source.facts
    places = array("I", (place for place, asked in enumerate(facts.digests["question"]) if asked))
    pairs = find_near(Questions(source, places), engine=source.engine)
    if pairs.crowded > _MANY_CROWDED * len(places):  # fewer are among those that are missed by chance
        message = f"{pairs.crowded:,} questions are worded as so many others that not each was held against each"
        yield places[0], Fault("near-duplicate", message)
    for pair in pairs:
        first, place = places[pair.first], places[pair.second]
        if facts.digests["language"][first] != facts.digests["language"][place]:
            continue
        if facts.digests["question"][first] == facts.digests["question"][place]:
            continue
        before, after = source.entry(first).record, source.entry(place).record
        if family_of(before) != family_of(after):
            alike = "the same as" if pair.likeness == 1 else f"{pair.likeness:.2f} like"
            message = f"{alike} line {facts.lines[first]}; if they ask the same, give both one family"
            yield place, Fault("near-duplicate", message, "instruction")


@_finds(
    Rule(
        "imbalance",
        "set",
        "No category, language or answer has far more records than the others: ten times the mean of the others, or, "
        "of an answer, more than a fifth of all.",
        "Add records of the others, or remove some: the model would learn to answer so whatever is asked.",
        "warning",
    ),
    *_UNEVEN,
)
def find_imbalance(source: Source) -> Found:
    """The first record of each kind of which there are too many."""
    facts = source.facts
    found = []
    for field in _UNEVEN:
        # Not counted in a dictionary, for of the answers nearly each is another one.
        ordered = sorted(filter(None, facts.digests[field]))
        total = len(ordered)
        if total < FEW_RECORDS:
            continue
        kinds, count, most = 0, 0, 0
        for digest, same in groupby(ordered):
            kinds += 1
            count, most = max((count, most), (sum(1 for _ in same), digest))
        del ordered  # of a million, 40 MB
        if field == "answer":
            too_many = count > MANY_ANSWERS * total
        else:
            too_many = kinds > 1 and count * (kinds - 1) > MANY_TIMES * (total - count)
        if too_many:
            place = facts.digests[field].index(most)
            record = source.entry(place).record
            value = record.language if field == "language" else str(record.data[field])
            message = f'"{excerpt(value)}" is the {field} of {count:,} of {total:,} records'
            found.append((place, Fault("imbalance", message, field)))
    yield from sorted(found, key=lambda one: one[0])


def _letters(record: Record) -> list[str]:
    return [unicodedata.normalize("NFKC", text.strip()) for text in (record.instruction, record.input)]
