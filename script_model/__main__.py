"""Make the table: python -m script_model --work FOLDER."""

import argparse
import math
import random
import sys
from pathlib import Path

from .corpus import read_corpus
from .crf import train
from .lexicon import read_lexicon
from .prune import make_table
from .samples import Sampler, in_batches, read_segmenter
from .sources import RecipeError, fetch_sources

_ROOT = Path(__file__).parents[1]
_ROUND = 20_000  # samples that are sorted by length at once
_BATCH = 256
_SAMPLES_FOR_PAIRS = 200_000


def main() -> None:
    """Download, read, train, write."""
    parser = argparse.ArgumentParser(prog="python -m script_model", description="Make the table of the script guard.")
    parser.add_argument("--work", type=Path, required=True, help="folder for the downloads, about 2 GB")
    parser.add_argument(
        "--samples", type=int, default=2_000_000, help="labelled texts to learn from, in 20,000s (%(default)s)"
    )
    parser.add_argument("--output", type=Path, default=_ROOT / "curation/script/ngrams.bin")
    options = parser.parse_args()
    try:
        fetch_sources(options.work)
    except RecipeError as error:
        sys.exit(str(error))
    lines, lexicon = read_corpus(options.work), read_lexicon(options.work)
    cut = read_segmenter(options.work)
    print(f"{len(lines)} lines, {len(lexicon.japanese)} Japanese words", flush=True)
    sampler, rng = Sampler(lines, lexicon, cut, seed=1), random.Random(0)
    model = train(
        lambda: in_batches(sampler.draw_many(_ROUND), _BATCH, rng), math.ceil(options.samples / _ROUND), lexicon
    )
    samples = Sampler(lines, lexicon, cut, seed=7).draw_many(_SAMPLES_FOR_PAIRS)
    data = make_table(model, lexicon, samples).encode()
    options.output.write_bytes(data)
    print(f"{options.output}: {len(data)} bytes")


main()
