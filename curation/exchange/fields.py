"""Which column is which field: names that are known, a mapping that is given, `seq` numbers, names of languages."""

import difflib
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from curation.errors import UserError
from curation.lines import BadLine, parse_line
from curation.records import KNOWN_FIELDS

# Of the fields that a question can be asked about, in the order of asking.
ASKED = ("instruction", "input", "reasoning", "answer", "language", "category", "family", "id")
REQUIRED = ("instruction", "answer")

_GUESSES = {
    "instruction": "instruction question problem prompt query 質問 問題 問い 指示 設問 問",
    "input": "input context 入力 文脈 本文",
    "reasoning": "reasoning reasoning_content thinking thought rationale cot chain_of_thought "
    "推論 理由 考え方 思考 根拠",
    "answer": "answer output response completion reply solution 回答 答え 解答 出力 応答 答",
    "language": "language lang 言語",
    "category": "category topic カテゴリ カテゴリー 分類 種類",
    "family": "family 事実",
    "id": "id",
}
REASONING_NAMES = ("reasoning_content", "thinking", "rationale", "cot", "chain_of_thought")
_SEQ = re.compile(r"(.*\d)[-_ ]?(ja|jp|en|zh|cn|ko|kr)", re.IGNORECASE | re.DOTALL)
_SEQ_LANGUAGES = {"jp": "ja", "cn": "zh", "kr": "ko"}
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LANGUAGES = {
    "japanese": "ja", "日本語": "ja", "jp": "ja", "english": "en", "英語": "en", "chinese": "zh", "中国語": "zh",
    "中文": "zh", "簡体字": "zh-Hans", "繁体字": "zh-Hant", "korean": "ko", "韓国語": "ko", "한국어": "ko",
}  # fmt: skip


def guess_columns(columns: Collection[str]) -> dict[str, str]:
    """Field -> the column that is called so in English or Japanese; fields without one are left out."""
    by_name = {column.strip().casefold(): column for column in columns}
    found: dict[str, str] = {}
    for field, names in _GUESSES.items():
        column = next((by_name[name] for name in names.split() if name in by_name), None)
        if column is not None:
            found[field] = column
    return found


def read_mapping(text: str) -> dict[str, str]:
    """Field -> column of `instruction=質問,answer=回答`. Raises UserError for what is no such list."""
    mapping: dict[str, str] = {}
    for part in text.split(","):
        field, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or not column:
            raise UserError(f"--map {text}: is not a list such as instruction=質問,answer=回答")
        if field not in KNOWN_FIELDS:
            near = difflib.get_close_matches(field, KNOWN_FIELDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KNOWN_FIELDS)}"
            raise UserError(f"--map {text}: {field} is not a field of a record; {hint}")
        mapping[field] = column
    return mapping


def spell_mapping(mapping: Mapping[str, str]) -> str:
    """A mapping as --map takes it."""
    return ",".join(f"{field}={column}" for field, column in mapping.items())


def require_columns(mapping: Mapping[str, str], columns: Collection[str], path: object) -> None:
    """Raise UserError unless a mapping covers what a record needs, by columns that are there."""
    for field, column in mapping.items():
        if column not in columns:
            raise UserError(f'{path}: has no column "{column}" for {field}; its columns are {", ".join(columns)}')
    missing = [field for field in REQUIRED if field not in mapping]
    if missing:
        raise UserError(f"{path}: no column is given for {' and '.join(missing)}; name it with --map")


def tidy(data: dict[str, Any]) -> None:
    """Bring what tables and other formats write into the form of a record's fields, in place."""
    for field, value in list(data.items()):
        if field not in KNOWN_FIELDS or isinstance(value, str | list | dict):
            continue
        data[field] = str(value)  # 13 of a sheet, as a category
    _read_seq(data)
    if isinstance(language := data.get("language"), str):
        data["language"] = _language(language)
    if isinstance(tags := data.get("tags"), str):
        data["tags"] = _read_tags(tags)
    if isinstance(provenance := data.get("provenance"), str):
        data["provenance"] = read_object(provenance) or provenance


def _read_seq(data: dict[str, Any]) -> None:
    """`seq` such as 13JA: the fact 13, answered in Japanese."""
    seq = data.get("seq")
    if isinstance(seq, int) and not isinstance(seq, bool):
        seq = str(seq)
    if not isinstance(seq, str) or not seq.strip():
        return
    seq = seq.strip()
    parts = _SEQ.fullmatch(seq)
    if parts is None and not seq.isdigit():
        return
    del data["seq"]
    data.setdefault("family", parts[1].strip() if parts else seq)
    if parts:
        language = parts[2].lower()
        data.setdefault("language", _SEQ_LANGUAGES.get(language, language))
        if _ID.fullmatch(seq):
            data.setdefault("id", seq)


def _language(name: str) -> str:
    name = name.strip()
    return _LANGUAGES.get(name.casefold(), name.lower() if name.isupper() and len(name) == 2 else name)


def _read_tags(text: str) -> list[str]:
    try:
        found = json.loads(text) if text.startswith("[") else None
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list) and all(isinstance(tag, str) for tag in found):
        return found
    return [tag.strip() for tag in text.split(",") if tag.strip()]


def read_object(text: object) -> dict[str, Any] | None:
    """The JSON object that a text spells, of which a record can be written again; or None."""
    try:
        return parse_line(text.encode("utf-8", "surrogatepass")) if isinstance(text, str) else None
    except BadLine:
        return None
