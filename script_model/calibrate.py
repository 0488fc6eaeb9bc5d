"""Fit how sure the guard is of a run to how often it is right: python -m script_model.calibrate --work FOLDER.

Platt scaling (Platt 1999): a logistic curve over what a run scores, fitted to runs that the guard with its present
table flags in samples that it has not learned from. Prints the two constants for curation/script/verdict.py.
"""

import argparse
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from curation.script import check
from curation.script.ngrams import score, weigh_run

if TYPE_CHECKING:
    from .samples import Sample

_SEED = 99  # the table has learned from seed 1
_BIN_EDGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)

Judged = tuple[float, bool]  # what a run scores in nats, and whether most of it is Chinese


def judge_runs(samples: "Iterable[Sample]") -> Iterator[Judged]:
    """The Chinese runs that are flagged without a character that Japanese does not write."""
    for sample in samples:
        for span in check(sample.text).spans:
            if span.language.startswith("zh") and span.confidence < 1:
                labels = sample.is_chinese[span.start : span.end]
                yield score(weigh_run(span.text)), 2 * sum(labels) > len(labels)


def fit(judged: list[Judged]) -> tuple[float, float]:
    """The scale and the shift of the curve with the highest likelihood, by Newton's method."""
    scores, rights = (np.array(column, float) for column in zip(*judged, strict=True))
    features = np.stack([scores, np.ones_like(scores)])
    scale_and_shift = np.array([0.1, 1.0])
    for _ in range(50):
        sure = 1 / (1 + np.exp(-scale_and_shift @ features))
        hessian = (features * sure * (1 - sure)) @ features.T
        scale_and_shift += np.linalg.solve(hessian, features @ (rights - sure))
    return float(scale_and_shift[0]), float(scale_and_shift[1])


def format_reliability(judged: list[Judged], scale: float, shift: float) -> str:
    """A line for each bin: how many runs, how sure on average, how often right."""
    lines = []
    sures = [(min(1 / (1 + math.exp(-scale * points - shift)), 0.99), right) for points, right in judged]
    for low, high in zip((0.0, *_BIN_EDGES), _BIN_EDGES, strict=False):
        runs = [(sure, right) for sure, right in sures if low <= sure < high]
        if runs:
            sure, right = (sum(column) / len(runs) for column in zip(*runs, strict=True))
            lines.append(f"{low:.2f}-{high:.2f}: {len(runs)} runs, sure {sure:.3f}, right {right:.3f}")
    return "\n".join(lines)


def main() -> None:
    """Read, draw, fit to one half and report of the other."""
    # What the recipe installs; the rest of this file needs none of it.
    from .corpus import read_corpus
    from .lexicon import read_lexicon
    from .samples import Sampler, read_segmenter

    parser = argparse.ArgumentParser(prog="python -m script_model.calibrate", description="Fit the guard's confidence.")
    parser.add_argument("--work", type=Path, required=True, help="folder of the recipe's downloads")
    parser.add_argument("--samples", type=int, default=40_000, help="labelled texts to read (%(default)s)")
    options = parser.parse_args()
    cut, lexicon = read_segmenter(options.work), read_lexicon(options.work)
    sampler = Sampler(read_corpus(options.work), lexicon, cut, seed=_SEED)
    judged = list(judge_runs(sampler.draw_many(options.samples)))
    fitted, kept = judged[::2], judged[1::2]
    scale, shift = fit(fitted)
    print(f"{len(judged)} runs; scale {scale:.3f}, shift {shift:.3f}; the half that was not fitted:")
    print(format_reliability(kept, scale, shift))


if __name__ == "__main__":
    main()
