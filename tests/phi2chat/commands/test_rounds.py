"""`phi2chat rounds`: what changed between trainings, what it fixed and broke, and whether that is more than chance."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from made_rounds import make_evaluation, make_round, record
from rich.cells import cell_len

from curation.errors import UserError
from phi2chat.training_rounds.best_round import choose_best
from phi2chat.training_rounds.past_rounds import find_round, read_rounds
from phi2chat.training_rounds.round_diff import compare_rounds
from phi2chat.weights.run import ADAPTER_FILE, RUN_FILE
from phi2chat.weights.snapshot import RECORDS_FILE

Phi2Chat = Callable[..., "subprocess.CompletedProcess[str]"]

JAPAN, FRANCE, SUM, SEA = "日本の首都は？", "フランスの首都は？", "1+1は？", "海は何色？"
RIGHT, WRONG = ("東京", True), ("京都", False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three rounds: the second has a record more and one edited, the third other settings and no evaluation."""
    monkeypatch.chdir(tmp_path)
    old, edited = record("cap", "日本の首都はどこ？", "京都"), record("cap", "日本の首都はどこ？", "東京")
    rest, new = record("sum", "2+2は？", "4"), record("fr", "フランスの首都の名は？", "パリ")
    make_round(Path("runs/first"), "2026-01-01T00:00:00+00:00", [old, rest])
    make_round(Path("runs/second"), "2026-01-02T00:00:00+00:00", [edited, rest, new])
    make_round(Path("runs/third"), "2026-01-03T00:00:00+00:00", [edited, rest, new], epochs=5.0, eval_steps=40)
    make_evaluation(
        Path("evaluations/one"),
        {
            Path("runs/first"): {JAPAN: WRONG, FRANCE: ("パリ", True), SUM: ("2", True), SEA: None},
            Path("runs/second"): {JAPAN: RIGHT, FRANCE: ("リヨン", False), SUM: ("2です", True), SEA: None},
        },
    )
    return tmp_path


def test_rounds_are_numbered_by_age_and_found_by_number_name_or_folder(folder: Path) -> None:
    rounds = read_rounds(Path("runs"), Path("evaluations"))
    assert [(one.number, one.name, len(one.asked)) for one in rounds] == [
        (1, "first", 1),
        (2, "second", 1),
        (3, "third", 0),
    ]
    for wanted in ("2", "second", "runs/second", str(folder / "runs/second")):
        assert find_round(rounds, wanted) is rounds[1]
    with pytest.raises(UserError, match="9: no such round; there are 1 to 3"):
        find_round(rounds, "9")


def test_a_diff_names_what_was_fixed_and_broken_with_the_records_that_may_have_done_it(folder: Path) -> None:
    first, second, _ = read_rounds(Path("runs"), Path("evaluations"))
    diff = compare_rounds(first, second)
    assert {probe.instruction: probe.outcome for probe in diff.probes} == {
        JAPAN: "fixed", FRANCE: "broken", SUM: "changed", SEA: "same",
    }  # fmt: skip
    (fixed,), (broken,) = diff.of("fixed"), diff.of("broken")
    for probe, nearest in ((fixed, ("cap", "edited")), (broken, ("fr", "added"))):
        near = probe.near[0]
        assert (near.record.id, near.change.kind if near.change else None) == nearest
    right = diff.measures[0]
    assert (right.kind, right.move.probes, right.move.opinion) == ("right", 3, "cannot tell")


def test_of_several_evaluations_those_that_asked_both_rounds_the_same_are_compared(folder: Path) -> None:
    make_evaluation(Path("evaluations/two"), {Path("runs/second"): {SEA: RIGHT}}, made="2026-02-01T00:00:00+00:00")
    first, second, third = read_rounds(Path("runs"), Path("evaluations"))
    assert len(second.asked) == 2
    assert len(compare_rounds(first, second).probes) == 4
    with pytest.raises(
        UserError, match=r"round 3 \(third\): was not evaluated yet; run `phi2chat evaluate --adapter runs/third`"
    ):
        compare_rounds(second, third)


def test_the_evaluation_of_an_ablation_stands_beside_its_runs(folder: Path) -> None:
    run = make_round(Path("runs/ablate-my/as-given-42"), "2026-01-04T00:00:00+00:00", [record("sum", "2+2は？", "4")])
    make_evaluation(Path("runs/ablate-my/evaluation"), {run: {JAPAN: RIGHT}})
    (asked,) = read_rounds(Path("runs"), Path("evaluations"))[3].asked
    assert asked.folder == Path("runs/ablate-my/evaluation")


def test_a_probe_that_was_reworded_is_another(folder: Path) -> None:
    make_evaluation(Path("evaluations/two"), {Path("runs/third"): {"p1 asks something else": RIGHT}})
    first, _, third = read_rounds(Path("runs"), Path("evaluations"))
    with pytest.raises(UserError, match="were not asked the same probes"):
        compare_rounds(first, third)


def test_what_is_not_judged_counts_for_the_script_alone(folder: Path) -> None:
    (asked,) = read_rounds(Path("runs"), Path("evaluations"))[0].asked
    assert len(asked.scores) == 3
    assert len(asked.script) == 4


def test_the_best_round_is_named_with_those_it_cannot_be_told_from(folder: Path) -> None:
    best = choose_best(read_rounds(Path("runs"), Path("evaluations")), "probe-score")
    assert (best.round.number, best.value) == (2, pytest.approx(2 / 3))  # of equals the newest
    assert [one.number for one in best.alike] == [1]
    assert "1 round was not evaluated, and not looked at" in best.remarks


def test_a_round_that_is_clearly_worse_is_not_alike(folder: Path) -> None:
    questions = [f"{number}の次は？" for number in range(40)]
    good, bad = (dict.fromkeys(questions, reply) for reply in (RIGHT, WRONG))
    make_evaluation(
        Path("evaluations/two"), {Path("runs/first"): bad, Path("runs/second"): good}, "2026-02-01T00:00:00+00:00"
    )
    best = choose_best(read_rounds(Path("runs"), Path("evaluations")), "probe-score")
    assert (best.round.number, best.alike) == (2, ())


def test_the_commands_show_it_all(folder: Path, phi2chat: Phi2Chat) -> None:
    listed = phi2chat("rounds", "list", COLUMNS="160")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "records: 1 added, 1 edited" in listed.stdout
    assert "epochs 3.0 -> 5.0, eval_steps not set -> 40" in " ".join(listed.stdout.split())
    shown = phi2chat("rounds", "diff", "1", "2", COLUMNS="120").stdout
    for text in (
        "fixed (1)",
        "broken (1)",
        "cannot tell",
        "1 added, 1 edited",
        "was: 京都",
        "+ fr, added",
        "~ cap, edited",
        "1 fixed, 1 broken, 1 in other words with the same verdict, 1 the same",
        "nearest to fixed ",
        "1 to one that was fixed and 1 to one that was broken; a likely cause, and no proof",
    ):
        assert text in " ".join(shown.split())
    assert phi2chat("rounds", "best").stdout.strip() == "runs/second"
    assert "capital" in phi2chat("rounds", "show", "second").stdout


def test_what_teaches_comes_before_where_it_was_taught(folder: Path, phi2chat: Phi2Chat) -> None:
    records = [record("sum", "2+2は？", "4")]
    new = {"device": "cuda", "batch_size": 64, "epochs": 9.0}
    make_round(Path("runs/fourth"), "2026-01-04T00:00:00+00:00", records, **new)
    listed = phi2chat("rounds", "list", COLUMNS="80").stdout
    changed = (
        "what changed: records: 2 removed; epochs 5.0 -> 9.0, eval_steps 40 -> not set, batch_size 8 -> 64; also: "
    )
    assert f"{changed}device" in listed


def test_corrections_are_named_as_such_and_stand_first(folder: Path, phi2chat: Phi2Chat) -> None:
    origin = {"adapter": "runs/first", "bad_answer": "京都", "phi2chat": "0.1.0"}
    plain = [record(f"n{number}", f"{number}の次は？", str(number + 1)) for number in range(40)]
    fixes = [
        record(f"f{number}", f"{land}の首都はどこですか？", "東京", provenance=origin)
        for number, land in enumerate(("日本", "フランス"))
    ]
    kept = [record("cap", "日本の首都はどこ？", "京都"), record("sum", "2+2は？", "4")]
    run = make_round(Path("runs/fourth"), "2026-01-04T00:00:00+00:00", [*kept, *plain, *fixes])
    replies = {Path("runs/first"): {JAPAN: WRONG, SEA: RIGHT}, run: {JAPAN: RIGHT, SEA: WRONG}}
    make_evaluation(Path("evaluations/two"), replies, "2026-02-01T00:00:00+00:00")
    text = " ".join(phi2chat("rounds", "diff", "1", "4", COLUMNS="80").stdout.split())
    for part in (
        "records: 42 added (2 by /fix)",
        "p1 日本の首都は？ was: 京都 is: 東京 + f0, added by /fix, ",
        "nearest to a probe: 1 to one that was fixed; a likely cause, and no proof + f0 by /fix [train]: 日本の首都はどこですか？ -> 東京"
        " nearest to fixed p1 + f1 by /fix",
        "海は何色？ was: 東京 is: 京都 no training record is worded like it",
    ):
        assert part in text


def test_of_a_reply_without_an_answer_its_reasoning_is_shown(folder: Path, phi2chat: Phi2Chat) -> None:
    replies = {Path("runs/first"): {JAPAN: ("", False)}, Path("runs/second"): {JAPAN: RIGHT}}
    shutil.rmtree("evaluations")
    make_evaluation(Path("evaluations/later"), replies, "2026-02-01T00:00:00+00:00")
    assert "was: (no answer came) 考える。" in phi2chat("rounds", "diff", "1", "2").stdout


def test_json_is_for_programs(folder: Path, phi2chat: Phi2Chat) -> None:
    rows = [json.loads(line) for line in phi2chat("rounds", "list", "--json").stdout.splitlines()]
    assert [row["records_changed"] for row in rows] == [None, {"added": 1, "edited": 1}, {}]
    data = json.loads(phi2chat("rounds", "diff", "2", "--json").stdout)
    assert [one["outcome"] for one in data["probes"]] == ["fixed", "broken", "changed", "same"]
    assert json.loads(phi2chat("rounds", "best", "--json").stdout)["cannot_tell_from"] == [1]


@pytest.mark.parametrize("width", [80, 40])
def test_a_narrow_terminal_is_kept_to(folder: Path, phi2chat: Phi2Chat, width: int) -> None:
    for command in (("list",), ("diff", "1", "2"), ("show", "2")):
        done = phi2chat("rounds", *command, COLUMNS=str(width))
        assert done.returncode == 0
        drawn = [line for line in done.stdout.splitlines() if line[:1] in "─━│┃┏┡├└"]  # the rest a terminal wraps
        assert drawn
        assert max(map(cell_len, drawn)) <= width
    assert "round 2: second" in phi2chat("rounds", "list", COLUMNS=str(width)).stdout


def test_mistakes_are_sentences(folder: Path) -> None:
    with pytest.raises(UserError, match="nowhere: no such folder; give the one that holds the runs with --runs"):
        read_rounds(Path("nowhere"), Path("evaluations"))
    (Path("runs/second") / RUN_FILE).write_text("{")
    with pytest.raises(UserError, match="is damaged or of another version"):
        read_rounds(Path("runs"), Path("evaluations"))


def test_runs_with_the_same_adapter_have_each_its_own_replies(folder: Path) -> None:
    for name in ("copy", "other"):
        make_round(Path("runs") / name, "2026-01-04T00:00:00+00:00", [])
        (Path("runs") / name / ADAPTER_FILE).write_bytes(b"the same")
    copy, other = Path("runs/copy"), Path("runs/other")
    make_evaluation(Path("evaluations/two"), {copy: {JAPAN: RIGHT}, other: {JAPAN: WRONG}})
    rounds = read_rounds(Path("runs"), Path("evaluations"))
    assert [[one.label for one in find_round(rounds, name).asked] for name in ("copy", "other")] == [
        ["copy"],
        ["other"],
    ]


def test_a_round_goes_by_its_own_evaluations_before_those_of_a_run_with_the_same_adapter(folder: Path) -> None:
    for name in ("copy", "other"):
        make_round(Path("runs") / name, "2026-01-04T00:00:00+00:00", [])
        (Path("runs") / name / ADAPTER_FILE).write_bytes(b"the same")
    make_evaluation(Path("evaluations/own"), {Path("runs/copy"): {JAPAN: RIGHT}}, "2026-02-01T00:00:00+00:00")
    make_evaluation(Path("evaluations/later"), {Path("runs/other"): {JAPAN: WRONG}}, "2026-02-02T00:00:00+00:00")
    copy = find_round(read_rounds(Path("runs"), Path("evaluations")), "copy")
    assert [one.folder.name for one in copy.asked] == ["own", "later"]


def test_a_round_goes_by_evaluations_on_its_own_base(folder: Path) -> None:
    make_evaluation(Path("evaluations/later"), {Path("runs/first"): {JAPAN: RIGHT}}, "2026-02-02T00:00:00+00:00")
    path = Path("evaluations/later/evaluation.json")
    kept = json.loads(path.read_text(encoding="utf-8"))
    kept["models"][0]["base"] = "another-base"
    path.write_text(json.dumps(kept), encoding="utf-8")
    first = find_round(read_rounds(Path("runs"), Path("evaluations")), "first")
    assert [one.folder.name for one in first.asked] == ["one", "later"]


def test_what_is_damaged_is_named_and_the_other_rounds_are_shown(folder: Path, phi2chat: Phi2Chat) -> None:
    make_evaluation(Path("evaluations/two"), {Path("runs/third"): {JAPAN: RIGHT}})
    Path("evaluations/two/evaluation.json").write_text("{")
    (Path("runs/second") / RUN_FILE).write_text("{")
    os.utime(Path("runs/second") / RUN_FILE, (1767312000, 1767312000))  # 2026-01-02
    (Path("runs/third") / RECORDS_FILE).write_bytes(b"not gzip")
    listed = phi2chat("rounds", "list", "--json")
    assert listed.returncode == 0
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(row["round"], row["records_changed"]) for row in rows] == [(1, None), (3, None)]  # numbers do not move
    for name in ("runs/second/run.json", "evaluations/two/evaluation.json", "runs/third/records.jsonl.gz"):
        assert f"left out: {name}" in " ".join(listed.stderr.split())
    missing = phi2chat("rounds", "show", "2")
    assert (missing.returncode, "no such round; there are 1 to 3" in " ".join(missing.stderr.split())) == (1, True)
    assert phi2chat("rounds", "diff", "3").returncode == 1  # with round 1, which was evaluated, and 3 was not
    assert phi2chat("rounds", "best").stdout.strip() == "runs/first"


def test_evaluations_with_other_settings_are_told_apart(folder: Path, phi2chat: Phi2Chat) -> None:
    later = "2026-02-01T00:00:00+00:00"
    make_evaluation(
        Path("evaluations/two"), {Path("runs/second"): {JAPAN: WRONG}}, later, temperature=0.7, batch_size=8
    )
    first, second, _ = rounds = read_rounds(Path("runs"), Path("evaluations"))
    assert second.asked[0].settings_unlike(first.asked[0]) == {"temperature": (None, 0.7)}
    assert any("evaluated with other settings" in remark for remark in choose_best(rounds, "probe-score").remarks)
    questions = dict.fromkeys([JAPAN, FRANCE, SUM, SEA], RIGHT)
    later = "2026-03-01T00:00:00+00:00"
    make_evaluation(Path("evaluations/three"), {Path("runs/second"): questions}, later, temperature=0.7)
    first, second, _ = read_rounds(Path("runs"), Path("evaluations"))
    assert compare_rounds(first, second).after.folder.name == "one"  # of as many probes those that were asked alike
