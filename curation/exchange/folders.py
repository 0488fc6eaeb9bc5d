"""Folders for other programs: a Hugging Face dataset with its card, and a data folder of LLaMA-Factory."""

import json
from collections.abc import Mapping
from pathlib import Path

from curation.exchange.exporting import FORMATS, Exported, export_file

FOLDERS = ("hf", "llama-factory")

# Names of licences as the hub spells them; others are written out.
_LICENSES = {"mit": "mit", "apache-2.0": "apache-2.0", "cc-by-4.0": "cc-by-4.0", "cc-by-sa-4.0": "cc-by-sa-4.0",
             "cc-by-sa-3.0": "cc-by-sa-3.0", "cc0-1.0": "cc0-1.0", "cc-by-nc-4.0": "cc-by-nc-4.0"}  # fmt: skip


def export_hugging_face(sides: Mapping[str, Path], folder: Path, name: str) -> Exported:
    """A Parquet file for each side and README.md, from which `datasets.load_dataset` and the hub know them."""
    done = {side: export_file(path, folder / f"{side}.parquet", FORMATS["parquet"]) for side, path in sides.items()}
    total = _add_up(list(done.values()))
    (folder / "README.md").write_text(_card(name, done, total), encoding="utf-8")
    return total


def export_llama_factory(sides: Mapping[str, Path], folder: Path, name: str) -> Exported:
    """An Alpaca file for each side, and the dataset_info.json by which LLaMA-Factory finds them."""
    done = []
    info: dict[str, object] = {}
    columns = {"prompt": "instruction", "query": "input", "response": "output"}
    for side, path in sides.items():
        dataset = name if len(sides) == 1 else f"{name}_{side}"
        done.append(export_file(path, folder / f"{dataset}.json", FORMATS["alpaca"]))
        info[dataset] = {"file_name": f"{dataset}.json", "formatting": "alpaca", "columns": columns}
    # In escapes, for LLaMA-Factory reads this file in the encoding of the system that it runs on.
    (folder / "dataset_info.json").write_text(json.dumps(info, indent=2) + "\n", encoding="ascii")
    return _add_up(done)


def _add_up(done: list[Exported]) -> Exported:
    return Exported(
        sum(one.records for one in done),
        tuple(dict.fromkeys(name for one in done for name in one.carried)),
        "",
        tuple(dict.fromkeys(name for one in done for name in one.licenses)),
        tuple(dict.fromkeys(name for one in done for name in one.languages)),
    )


def _card(name: str, done: Mapping[str, Exported], total: Exported) -> str:
    import yaml

    known = {_LICENSES.get(name.lower(), "other") if name else "unknown" for name in total.licenses} or {"unknown"}
    meta: dict[str, object] = {
        "pretty_name": name,
        "license": known.pop() if len(known) == 1 else "other",
        "language": sorted({tag.partition("-")[0].lower() for tag in total.languages}),
        "task_categories": ["text-generation"],
        "size_categories": [_size(total.records)],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": side, "path": f"{side}.parquet"} for side in done],
            }
        ],
    }
    if meta["license"] == "other":
        meta["license_name"] = "see-below"
    header = yaml.safe_dump(meta, allow_unicode=True, sort_keys=False)
    rows = "".join(f"| {side} | {one.records:,} |\n" for side, one in done.items())
    named = ", ".join(name or "none named in some" for name in total.licenses)
    if not any(total.licenses):
        named = "none is named in the records"
    return (
        f"---\n{header}---\n\n# {name}\n\n"
        "Records of an instruction, the reasoning that leads to its answer, and the answer.\n\n"
        f"| split | records |\n| --- | --- |\n{rows}\n"
        f"Languages of the answers: {', '.join(total.languages)}. Licences of the records: {named}.\n\n"
        "An empty text stands for a field that a record does not have. The column `phi2chat` holds, as JSON, what has\n"
        "no column of its own.\n"
    )


def _size(records: int) -> str:
    bounds = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    return next((name for bound, name in bounds if records < bound), "1M<n<10M")
