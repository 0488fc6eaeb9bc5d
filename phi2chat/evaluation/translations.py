"""How near an answer comes to good ones, from 0 to 100: of translations, and of what is neither right nor wrong.

chrF and BLEU are sacrebleu's, which comes with the extra phi2chat[evaluate]. BLEU is of single answers (with effective
order), by characters where the answer is in Japanese, Chinese, Cantonese or Thai, because words are not written apart
there and sacrebleu's `ja-mecab` needs MeCab, and else by sacrebleu's usual 13a. Character F1 needs nothing.
"""

import importlib.util
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from curation.judging import expectation_of
from curation.said import normalize

INSTALL = "pip install '.[evaluate]' in phi2chat's sources"
_WITHOUT_BLANKS = ("ja", "zh", "yue", "th")


def references_of(data: Mapping[str, Any]) -> list[str]:
    """The good answers that a probe brings along, or the answer of a record that is neither right nor wrong."""
    found = data.get("references", [])
    named = [found] if isinstance(found, str) else [text for text in found if isinstance(text, str)]
    own = data.get("answer")
    return named or ([own] if isinstance(own, str) and own.strip() and expectation_of(data) is None else [])


def is_installed() -> bool:
    """Whether sacrebleu is there."""
    return importlib.util.find_spec("sacrebleu") is not None


def chrf(answer: str, references: Sequence[str]) -> float:
    """chrF, from 0 to 100: the character n-grams that an answer shares with the reference nearest to it.

    Popović, chrF: character n-gram F-score for automatic MT evaluation, 2015. Raises ImportError without sacrebleu.
    """
    import sacrebleu

    return float(sacrebleu.sentence_chrf(answer, list(references)).score)


def bleu(answer: str, references: Sequence[str], language: str) -> float:
    """BLEU of one answer, from 0 to 100: the n-grams, of 1 to 4 characters or words, that references have as well.

    Post, A Call for Clarity in Reporting BLEU Scores, 2018. Raises ImportError without sacrebleu.
    """
    from sacrebleu.metrics import BLEU

    by = "char" if language.split("-")[0].casefold() in _WITHOUT_BLANKS else "13a"
    return float(BLEU(effective_order=True, tokenize=by).sentence_score(answer, list(references)).score)


def char_f1(answer: str, references: Sequence[str]) -> float:
    """The F1 of the characters that an answer shares with the reference nearest to it, from 0 to 100.

    Width, case, blanks and punctuation do not count, and order does not: SQuAD's F1 of words, of characters.
    """
    return max((_char_f1(normalize(answer), normalize(reference)) for reference in references), default=0.0)


def _char_f1(answer: str, reference: str) -> float:
    if not answer or not reference:
        return 100.0 * (answer == reference)
    shared = (Counter(answer) & Counter(reference)).total()
    return 200 * shared / (len(answer) + len(reference))
