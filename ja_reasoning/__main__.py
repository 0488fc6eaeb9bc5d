"""Write the set: python -m ja_reasoning --output datasets/ja-reasoning."""

import argparse
import importlib.util
import sys
from pathlib import Path

from curation.records import read_dataset
from curation.split import write_split

from .compose import compose
from .kinds import read_kinds
from .rows import rows_of

EVAL_PERCENT, SEED = 10, 42


def main() -> None:
    """Compose all records, write them as all.jsonl, and split that by family."""
    parser = argparse.ArgumentParser(prog="python -m ja_reasoning", description="Write the set ja-reasoning.")
    parser.add_argument("--output", type=Path, required=True, help="folder for all.jsonl and its split")
    parser.add_argument(
        "--without", metavar="TAG", action="append", default=[], help="leave answers in this language out, e.g. zh-Hans"
    )
    options = parser.parse_args()
    if importlib.util.find_spec("babel") is None:
        sys.exit("Babel is not installed; run `pip install -r ja_reasoning/requirements.txt`")
    records = [record for record in compose(read_kinds(), rows_of) if record.language not in options.without]
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "all.jsonl"
    path.write_text("".join(record.to_line() for record in records), encoding="utf-8", newline="\n")
    manifest = write_split(read_dataset(path), options.output, EVAL_PERCENT, SEED)
    print(f"{path}: {len(records)} records, {manifest['train']['records']} of them to train on")


main()
