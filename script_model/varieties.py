"""Which characters only simplified or only traditional Chinese is written with: python -m script_model.varieties.

Those that OpenCC always changes from one to the other, and that Wikipedia's Chinese has at least `_LEAST_LEAD` nats
more often in the one. What both have stays out: 里, 后, 台 and 干 are right in either.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from .lexicon import Probabilities, read_opencc, read_probabilities

_ROOT = Path(__file__).parents[1]
_LEAST_LEAD = 3.0  # nats; 20 times as often


def find_varieties(work: Path) -> dict[str, str]:
    """By language tag the characters, sorted."""
    characters, _ = read_probabilities(work)
    tables = {"zh-Hans": ("STCharacters.txt", 0), "zh-Hant": ("TSCharacters.txt", 1)}
    return {tag: "".join(sorted(_read(work, table, own, characters))) for tag, (table, own) in tables.items()}


def _read(work: Path, table: str, own: int, characters: Probabilities) -> Iterator[str]:
    """The characters that a table of OpenCC changes; `own` is the column of the language that they are from."""
    for char, forms in read_opencc(work, table):
        known = characters.get(char, (0.0, 0.0, 0.0))
        is_usual = known[own] and (not known[1 - own] or known[own] - known[1 - own] >= _LEAST_LEAD)
        if "\u4e00" <= char <= "\u9fff" and char not in forms and is_usual:
            yield char


def main() -> None:
    """Write the file, from what `python -m script_model` has downloaded."""
    parser = argparse.ArgumentParser(prog="python -m script_model.varieties", description="Make varieties.txt.")
    parser.add_argument("--work", type=Path, required=True, help="the folder given to python -m script_model")
    parser.add_argument("--output", type=Path, default=_ROOT / "curation/script/varieties.txt")
    options = parser.parse_args()
    lines = [f"{tag} {characters}\n" for tag, characters in find_varieties(options.work).items()]
    options.output.write_text("".join(lines), encoding="utf-8")
    print(f"{options.output}: {sum(len(line.split()[1]) for line in lines)} characters")


if __name__ == "__main__":
    main()
