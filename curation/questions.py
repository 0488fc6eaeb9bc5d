"""A file of questions to ask a model: records as JSONL, or with the ending .txt one instruction a line, in Japanese."""

from pathlib import Path

from curation.errors import UserError
from curation.records import Record, read_bytes, read_dataset


def read_questions(path: Path) -> list[Record]:
    """The records to ask. Raises UserError where a line cannot be read or has none, and where no line is left."""
    if path.suffix == ".txt":
        try:
            lines = read_bytes(path).decode("utf-8").splitlines()
        except UnicodeDecodeError:
            raise UserError(f"{path}: is not UTF-8; save it as UTF-8") from None
        records = [Record({"instruction": line}) for line in lines if line.strip()]
    else:
        dataset = read_dataset(path)
        if dataset.broken:
            raise UserError(f"{dataset.broken[0]}; mend it")
        records = []
        for line, record in dataset.records():
            wanted = (record.data.get("instruction"), record.language, record.reasoning_language)
            if not all(isinstance(text, str) and text.strip() for text in wanted):
                raise UserError(f"{path}:{line.number}: has no instruction to ask; write one")
            records.append(record)
    if not records:
        raise UserError(f"{path}: holds no instruction to ask; write one, or give another file")
    return records
