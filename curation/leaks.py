"""What two sides of a split share, whoever made them: ids, families, questions; and where they contradict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curation.facts import question_key
from curation.likeness import answers_differ
from curation.near import find_near

# place, record
Entry = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Leak:
    """An eval record and the train record that gives it away; the places are as they were handed in."""

    rule: str
    train: str
    eval: str
    message: str


def find_leaks(train: Sequence[Entry], evals: Sequence[Entry]) -> list[Leak]:
    """Every leak, in the order of the eval side; one for each eval record and rule."""
    near = {pair.second - len(train): pair for pair in _near(train, evals)}
    by_id, by_family, by_question = _index(train, "id"), _index(train, "family"), _index_questions(train)
    leaks: list[Leak] = []
    for number, (place, data) in enumerate(evals):
        for rule, index in (("same-id", by_id), ("same-family", by_family)):
            value = data.get(rule.removeprefix("same-"))
            if value is not None and (found := index.get(str(value))):
                leaks.append(Leak(rule, found[0], place, f'"{value}" is on the train side too'))
        if alike := by_question.get(question_key(data)):
            leaks += _same_question(place, data, alike)
        elif pair := near.get(number):
            leaks.append(Leak("near-question", train[pair.first][0], place, f"{pair.likeness:.2f} like this question"))
    return leaks


def _same_question(place: str, data: Mapping[str, Any], found: list[Entry]) -> Iterator[Leak]:
    yield Leak("same-question", found[0][0], place, "asks the same")
    answer = str(data.get("answer", ""))
    other = next(((at, record) for at, record in found if answers_differ(str(record.get("answer", "")), answer)), None)
    if other is not None:
        yield Leak("contradiction", other[0], place, "asks the same and answers otherwise")


def _near(train: Sequence[Entry], evals: Sequence[Entry]) -> Iterator[Any]:
    texts = [f"{data.get('instruction', '')}\n{data.get('input', '')}" for _, data in (*train, *evals)]
    yield from find_near(texts, across=len(train))


def _index(entries: Sequence[Entry], field: str) -> dict[str, Entry]:
    index: dict[str, Entry] = {}
    for entry in entries:
        if entry[1].get(field) is not None:
            index.setdefault(str(entry[1][field]), entry)
    return index


def _index_questions(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    index: dict[str, list[Entry]] = {}
    for entry in entries:
        index.setdefault(question_key(entry[1]), []).append(entry)
    return index
