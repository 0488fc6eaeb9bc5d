"""The card of an exported folder says what holds for all of its records, and no more."""

import json
from pathlib import Path

import pytest
import yaml

from curation.exchange.folders import export_hugging_face


@pytest.mark.parametrize(
    ("licenses", "named", "sentence"),
    [
        (["MIT", "MIT"], "mit", "Licences of the records: MIT."),
        (["MIT", None], "other", "Licences of the records: MIT, none named in some."),
        (["MIT", "CC-BY-4.0"], "other", "Licences of the records: MIT, CC-BY-4.0."),
        ([None, None], "unknown", "Licences of the records: none is named in the records."),
    ],
)
def test_a_licence_is_claimed_where_every_record_names_it(
    licenses: list[str | None], named: str, sentence: str, tmp_path: Path
) -> None:
    records = tmp_path / "records.jsonl"
    lines = [
        {
            "instruction": f"{number}の次の数は？",
            "reasoning": "一つ大きい数です。",
            "answer": "次です。",
            "language": "ja",
        }
        | ({"license": license} if license else {})
        for number, license in enumerate(licenses)
    ]
    records.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    export_hugging_face({"train": records}, tmp_path, "numbers")
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load(card.split("---")[1])["license"] == named
    assert sentence in card
