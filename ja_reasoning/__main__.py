"""Write the set: python -m ja_reasoning --output datasets/ja-reasoning."""

import argparse
import importlib.util
import sys
from pathlib import Path

from .compose import compose
from .kinds import read_kinds
from .rows import rows_of
from .sides import write_set


def main() -> None:
    """Compose all records, or those without some languages, and write them with their split."""
    parser = argparse.ArgumentParser(prog="python -m ja_reasoning", description="Write the set ja-reasoning.")
    parser.add_argument("--output", type=Path, required=True, help="folder for all.jsonl and its split")
    parser.add_argument(
        "--without", metavar="TAG", action="append", default=[], help="leave answers in this language out, e.g. zh-Hans"
    )
    options = parser.parse_args()
    if importlib.util.find_spec("babel") is None:
        sys.exit("Babel is not installed; run `pip install -r ja_reasoning/requirements.txt`")
    records = [record for record in compose(read_kinds(), rows_of) if record.language not in options.without]
    manifest = write_set(records, options.output)
    print(f"{options.output}: {len(records)} records, {manifest['train']['records']} of them to train on")


main()
