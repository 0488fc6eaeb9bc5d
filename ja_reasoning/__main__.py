"""Write the set: python -m ja_reasoning --output datasets/ja-reasoning."""

import argparse
import importlib.util
import sys
from pathlib import Path

from curation.records import read_dataset
from curation.split import MANIFEST, SIDES, SplitRule, family_of, read_manifest, read_split, split_by_rule, write_sides

from .compose import compose
from .kinds import read_kinds
from .rows import rows_of

RULE = SplitRule(eval_percent=10, seed=42, stratified=True)
SHIPPED = Path(__file__).parents[1] / "datasets" / "ja-reasoning"


def main() -> None:
    """Compose all records, write them as all.jsonl, and split that by family; what is shipped keeps its side."""
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
    dataset = read_dataset(path)
    pins = read_manifest(SHIPPED / MANIFEST)["pinned_families"]
    sides = dict(zip(SIDES, read_split(SHIPPED), strict=True))
    known = {family_of(record): side for side in SIDES for _, record in sides[side].records()}
    split = split_by_rule(dataset, RULE, pins, known)
    families = {record.family for record in records}
    source = {"input": path.name, "input_sha256": dataset.sha256}
    manifest = write_sides(options.output, source, RULE, split, len(families))
    print(f"{path}: {len(records)} records, {manifest['train']['records']} of them to train on")


main()
