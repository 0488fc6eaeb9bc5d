"""`evaluate --lm-eval`: models handed to lm-evaluation-harness, and its figures read."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.errors import UserError
from phi2chat.config import DeviceConfig
from phi2chat.evaluation.harness import TaskScore, require_harness, run_harness
from phi2chat.evaluation.results import ModelRow

Phi2Chat = Callable[..., "subprocess.CompletedProcess[str]"]

# What stands in for the harness: it keeps how it was called, and writes what the real one (0.4.13) writes.
STAND_IN = """
import json, pathlib, sys
given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
output = pathlib.Path(given["--output_path"])
output.parent.mkdir(parents=True, exist_ok=True)
(output.parent / f"{output.stem}.called").write_text(json.dumps([sys.argv[1], given]))
print("\\x1b]0;title\\x07", "half\\rwhole", flush=True)
print("\\x1b[2J", "警告", file=sys.stderr, flush=True)
if given["--tasks"] == "unknown":
    sys.exit("no such task")
figures = {"alias": "t", "sample_len": 2, "acc,none": 0.5, "acc_stderr,none": 0.25,
           "exact_match,flexible-extract": 1, "exact_match_stderr,flexible-extract": "N/A"}
results = {"results": {given["--tasks"]: figures}} if given["--tasks"] != "odd" else []
(output.parent / f"{output.stem}_2026-01-31T12-00-00.json").write_text(json.dumps(results))
"""


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path whose `lm_eval` is the stand-in."""
    package = tmp_path / "site" / "lm_eval"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")]))
    return package.parent


def test_each_model_is_handed_over_and_its_figures_are_read(harness: Path, tiny_phi: Path, tmp_path: Path) -> None:
    rows = [ModelRow("base", "base", str(tiny_phi)), ModelRow("run", "adapter", str(tiny_phi), "runs/a,b=c")]
    require_harness(rows)
    scores = run_harness(rows, "some", tmp_path / "out", DeviceConfig(device="cpu"), 4, print)
    assert scores == [
        score
        for label in ("base", "run")
        for score in (
            TaskScore(label, "some", "acc", 0.5, 0.25),
            TaskScore(label, "some", "exact_match (flexible-extract)", 1.0, None),
        )
    ]
    verb, given = json.loads((tmp_path / "out" / "lm-eval" / "2.called").read_text())
    assert (verb, given["--model"], given["--device"], given["--batch_size"]) == ("run", "hf", "cpu", "4")
    assert json.loads(given["--model_args"]) == {
        "pretrained": str(tiny_phi), "dtype": "float32", "peft": "runs/a,b=c",
    }  # fmt: skip


def test_what_the_harness_says_reaches_the_terminal_made_visible(
    harness: Path, tiny_phi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_harness([ModelRow("base", "base", str(tiny_phi))], "some", tmp_path, DeviceConfig(device="cpu"), 4, _quiet)
    assert capsys.readouterr().err == "^[]0;title^G half\rwhole\n^[[2J 警告\n"


def _quiet(text: str) -> None:
    """For progress that is not looked at."""


@pytest.mark.parametrize(
    ("tasks", "said"), [("unknown", "stopped with exit code 1; it says why above"), ("odd", "is not what")]
)
def test_a_harness_that_fails_is_a_sentence(
    harness: Path, tiny_phi: Path, tmp_path: Path, tasks: str, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        run_harness([ModelRow("base", "base", str(tiny_phi))], tasks, tmp_path, DeviceConfig(device="cpu"), 4, print)


def test_a_model_of_a_server_cannot_be_handed_over(harness: Path) -> None:
    with pytest.raises(UserError, match="is a server's"):
        require_harness([ModelRow("m at http://localhost", "endpoint", endpoint="http://localhost")])


def test_without_the_harness_it_is_said_how_to_get_it(phi2chat: Phi2Chat, tiny_phi: Path) -> None:
    if importlib.util.find_spec("lm_eval"):
        pytest.skip("lm-evaluation-harness is installed here")
    done = phi2chat("evaluate", "--base", tiny_phi, "--lm-eval", "hellaswag", "--device", "cpu")
    assert done.returncode == 1
    assert done.stderr == 'phi2chat: --lm-eval: needs lm-evaluation-harness; run `pip install "lm_eval[hf]"`\n'


def test_the_command_shows_the_figures_without_probes(
    harness: Path, tiny_phi: Path, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    path = os.pathsep.join([str(harness), clean_environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "phi2chat", "evaluate", "--base", str(tiny_phi), "--lm-eval", "some"]
    done = subprocess.run(
        [*command, "--device", "cpu"], cwd=tmp_path, env={**clean_environment, "PYTHONPATH": path},
        capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "exact_match (flexible-extract)" in done.stdout
    assert "0.2500" in done.stdout


def test_the_real_harness_takes_what_it_is_handed(tiny_phi: Path, tmp_path: Path) -> None:
    pytest.importorskip("lm_eval")
    (tmp_path / "t.jsonl").write_text('{"q": "日本の首都は", "a": 0}\n', encoding="utf-8")
    task = tmp_path / "capitals.yaml"
    task.write_text(
        "task: capitals\ndataset_path: json\ndataset_kwargs:\n  data_files:\n"
        f"    test: {tmp_path}/t.jsonl\ntest_split: test\noutput_type: multiple_choice\n"
        'doc_to_text: "{{q}}"\ndoc_to_target: "{{a}}"\ndoc_to_choice: ["東京", "京都"]\n'
        "metric_list:\n  - metric: acc\n    aggregation: mean\n    higher_is_better: true\n",
        encoding="utf-8",
    )
    rows = [ModelRow("base", "base", str(tiny_phi))]
    (score,) = run_harness(rows, str(task), tmp_path / "out", DeviceConfig(device="cpu"), 4, print)
    assert (score.task, score.metric) == ("capitals", "acc")
    assert score.value in (0.0, 1.0)
