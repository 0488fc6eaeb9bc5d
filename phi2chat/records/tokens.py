"""Records as a model would read them: which are too long, what would be cut, and what a token holds."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from curation.records import Finding, Record, read_dataset
from curation.rules import check_dataset, choose
from phi2chat.inference.examples import Row
from phi2chat.inference.prompt import PromptStyle, encode, render_record
from phi2chat.terminal.screen import Screen
from phi2chat.training.preflight import characters_per_token

_SHOWN_CHARS = 20


def count_tokens(
    paths: Sequence[Path], base_name: str, max_length: int, screen: Screen
) -> tuple[list[Finding], dict[str, float]]:
    """A finding for each record that is longer, and characters per token of each language.

    Lines that break the contract are left out. Raises UserError where the base has no tokenizer.
    """
    from phi2chat.weights.bases import find_base
    from phi2chat.weights.models import load_tokenizer

    tokenizer = load_tokenizer(find_base(base_name, screen.status, with_weights=False))
    style = PromptStyle()
    rows = list(itertools.chain.from_iterable(map(_rows, paths)))
    findings = []
    for row in rows:
        ids = encode(tokenizer, render_record(style, row.record)).input_ids
        if len(ids) > max_length:
            cut = " ".join(tokenizer.decode(ids[max_length:-1]).split())
            if len(cut) > _SHOWN_CHARS:
                cut = "…" + cut[1 - _SHOWN_CHARS :]
            over = f"{len(ids):,} tokens, {len(ids) - max_length:,} more than {max_length:,}"
            message = f'{over}; "{cut}" would be cut off' if cut else f"{over}; its end would be cut off"
            findings.append(Finding(row.path, row.line, 1, "", message, "too-long"))
    return findings, characters_per_token(rows, tokenizer)


def _rows(path: Path) -> Iterator[Row]:
    dataset = read_dataset(path)
    bad = {finding.line for finding in check_dataset(dataset, choose(["contract"])) if finding.severity == "error"}
    for line, record in dataset.records():
        if line.number not in bad:
            yield Row(path, line.number, Record(record.data))
