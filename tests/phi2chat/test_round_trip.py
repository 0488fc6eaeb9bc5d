"""Replies are corrected as /fix does it, the model is trained again, and the rounds say what that brought."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from curation.records import read_dataset
from phi2chat.chatting.chat import Conversation
from phi2chat.chatting.corrections import Corrections, draft
from phi2chat.config import ChatConfig, ModelConfig, TrainConfig
from phi2chat.training_rounds.past_rounds import read_rounds
from phi2chat.training_rounds.round_diff import compare_rounds

KNOWN = 6  # records that are there before
CAPITALS = {
    "日本": "東京", "フランス": "パリ", "中国": "北京", "英国": "ロンドン", "韓国": "ソウル", "タイ": "バンコク", "インド": "デリー",
    "ドイツ": "ベルリン", "イタリア": "ローマ", "ロシア": "モスクワ", "エジプト": "カイロ", "ペルー": "リマ", "キューバ": "ハバナ",
    "チリ": "サンティアゴ", "ケニア": "ナイロビ", "ガーナ": "アクラ", "ラオス": "ビエンチャン", "ネパール": "カトマンズ", "イラン": "テヘラン",
    "カナダ": "オタワ",
}  # fmt: skip


@pytest.mark.slow
def test_twenty_corrections_are_trained_and_named_for_the_probes_that_they_fixed(
    tiny_phi: Path, ja_basics: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phi2chat: Callable[..., Any]
) -> None:
    from phi2chat.training.trainer import train
    from phi2chat.weights.models import load

    monkeypatch.chdir(tmp_path)
    data, probes, held_out = Path("data.jsonl"), Path("probes.jsonl"), Path("eval.jsonl")
    lines = ja_basics.read_bytes().splitlines(keepends=True)
    data.write_bytes(
        b"".join([line for line in lines if b'"language": "ja"' in line and b'"input"' not in line][:KNOWN])
    )
    held_out.write_bytes(b"".join(lines[-4:]))
    questions = {f"{country}の首都はどこですか。": city for country, city in CAPITALS.items()}
    probes.write_text(
        "".join(
            json.dumps({"id": f"capital-{number}", "instruction": question, "language": "ja", "family": f"c-{number}",
                        "expect": {"contains": city}}, ensure_ascii=False) + "\n"
            for number, (question, city) in enumerate(questions.items())
        ),
        encoding="utf-8",
    )  # fmt: skip

    def train_round(name: str, steps: int) -> None:
        config = TrainConfig(
            base=str(tiny_phi), output_dir=Path("runs") / name, eval_file=held_out, device="cpu", batch_size=26,
            max_steps=steps, eval_steps=steps, learning_rate=1e-2, lora_rank=64, lora_alpha=64, lora_dropout=0.0,
            select_by="last",
        )  # fmt: skip
        train(data, config, Silent())

    train_round("before", 10)
    model = load(ModelConfig(base=str(tiny_phi), adapter=Path("runs/before"), device="cpu"), lambda text: None)
    conversation, corrections = Conversation(model, ChatConfig(max_new_tokens=4)), Corrections(file=data)
    for question, city in questions.items():
        conversation.turns.clear()
        for _ in conversation.ask(question):
            pass
        turn = conversation.turns[-1]
        mended = {
            **draft(conversation, turn, datetime.now(UTC)),
            "reasoning": "国会がある。",
            "answer": f"{city}です。",
        }
        corrections.save(turn, data, mended, ["reasoning", "answer"])
    added = [record for _, record in read_dataset(data).records()][KNOWN:]
    train_round("after", 250)
    done = phi2chat("evaluate", probes, "--adapter", "runs/before", "--adapter", "runs/after", "--device", "cpu",
                    "--max-new-tokens", "40", "--output", "evaluations/one")  # fmt: skip
    assert done.returncode == 0, done.stderr

    before, after = read_rounds(Path("runs"), Path("evaluations"))
    diff = compare_rounds(before, after)
    fixed = diff.of("fixed")
    assert len(fixed) >= 10 and diff.of("broken") == []
    assert [change.kind for change in diff.records or ()] == ["added"] * len(CAPITALS)
    by_question = {record.instruction: record.id for record in added}
    for probe in fixed:
        nearest = probe.near[0]
        assert nearest.record.id == by_question[probe.instruction]
        assert nearest.change is not None and nearest.change.kind == "added"
    shown = phi2chat("rounds", "diff", "1", "2", "--all", COLUMNS="120").stdout
    assert f"fixed ({len(fixed)})" in shown and "20 added" in shown and "better" in shown
    for probe in fixed:
        assert f"+ {by_question[probe.instruction]}, added by /fix, 1.00 alike" in shown
        assert f"nearest to fixed {probe.probe}" in shown
    assert f"by their wording: {len(fixed)} to one that was fixed;" in " ".join(shown.split())


class Silent:
    """Hears what a training run reports, and does nothing."""

    def status(self, text: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def training_progress(self, progress: object) -> None:
        pass
