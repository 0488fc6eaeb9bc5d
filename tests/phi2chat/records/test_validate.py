"""`phi2chat curate validate` and its options, as a user and as a program meets them."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.records import Finding
from curation.rules import RULES, SECTIONS, choose
from phi2chat.records.reports import Report, as_github, as_sarif

Phi2Chat = Callable[..., "subprocess.CompletedProcess[str]"]

TOKYO = '{"id": "tokyo", "instruction": "日本の首都は？", "reasoning": "国会があります。", "answer": "東京です。"}\n'
DRAFT = '{"instruction": "韓国の首都は？", "reasoning": " ", "answer": "{city}です。", "x": 1}\n'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text(TOKYO + DRAFT, encoding="utf-8")
    return path


def rules_in(output: str) -> list[str]:
    return re.findall(r"\[([a-z0-9-]+)\]$", output, re.MULTILINE)


@pytest.mark.parametrize(
    ("options", "rules", "code"),
    [
        ([], ["blank", "template-residue", "unknown-field"], 1),
        (["--select", "contract"], ["blank", "unknown-field"], 1),
        (["--select", "blank"], ["blank"], 1),
        (["--select", "un"], ["unknown-field"], 0),
        (["--select", "text,unknown-field"], ["template-residue", "unknown-field"], 0),
        (["--select", "text", "--select", "blank"], ["blank", "template-residue"], 1),
        (["--ignore", "contract"], ["template-residue"], 0),
        (["--select", "contract", "--ignore", "blank"], ["unknown-field"], 0),
    ],
    ids=str,
)
def test_rules_are_chosen_by_id_beginning_and_section(
    phi2chat: Phi2Chat, data: Path, options: list[str], rules: list[str], code: int
) -> None:
    done = phi2chat("curate", "validate", "data.jsonl", *options)
    assert (rules_in(done.stdout), done.returncode) == (rules, code)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--select", "blnk"], '"blnk" is no rule; did you mean "blank"? docs/rules.md has all of them'),
        (["--ignore", "form,contrct"], '"contrct" is no rule; did you mean "contract"? docs/rules.md has all of them'),
        (["--update-baseline"], "--update-baseline: name the file with --baseline"),
        (["--tokenizer", "x"], "--tokenizer and --max-length: give both"),
    ],
)
def test_wrong_usage_is_one_sentence_and_ends_with_2(
    phi2chat: Phi2Chat, data: Path, options: list[str], sentence: str
) -> None:
    done = phi2chat("curate", "validate", "data.jsonl", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith(sentence)


def test_a_rule_that_is_selected_by_a_part_of_its_name_is_not_another_rule() -> None:
    assert choose(["id"]) == {"id"}
    assert choose(["duplicate"]) == {"duplicate-id", "duplicate-question"}
    assert choose() == set(RULES)
    assert {rule.section for rule in RULES.values()} == set(SECTIONS)


def test_what_can_be_mended_is_mended_and_the_rest_is_named(phi2chat: Phi2Chat, data: Path) -> None:
    data.write_bytes(b"\xef\xbb\xbf" + TOKYO.encode() + b"\n" + DRAFT.encode().replace(b"\n", b"\r\n") + b'{"id')
    done = phi2chat("curate", "validate", "data.jsonl", "--fix", "--select", "form")
    assert (done.returncode, rules_in(done.stdout)) == (1, ["no-final-newline", "json"])
    assert done.stderr == (
        "data.jsonl: mended 1 line [bom]\n"
        "data.jsonl: mended 1 line [blank-line]\n"
        "data.jsonl: mended 1 line [mixed-line-ends]\n"
    )
    assert data.read_bytes() == (TOKYO + DRAFT).encode() + b'{"id'


def test_a_baseline_accepts_what_is_there_and_nothing_new(phi2chat: Phi2Chat, data: Path, tmp_path: Path) -> None:
    missing = phi2chat("curate", "validate", "data.jsonl", "--baseline", "base.json")
    assert (missing.returncode, missing.stderr) == (1, "phi2chat: base.json: no such file; check the path\n")
    written = phi2chat("curate", "validate", "data.jsonl", "--baseline", "base.json", "--update-baseline")
    assert (written.returncode, written.stdout) == (0, "2 records in 1 file: 0 errors, 0 warnings\n")
    assert written.stderr == "3 findings accepted in base.json\n"
    data.write_text(
        TOKYO.replace("東京です", "东京です") + TOKYO.replace("tokyo", "new").replace("日本", "タイ") + DRAFT,
        encoding="utf-8",
    )
    done = phi2chat("curate", "validate", "data.jsonl", "--baseline", "base.json")
    assert (done.returncode, rules_in(done.stdout)) == (1, ["wrong-script"])


def test_what_the_other_file_trains_on_is_named(phi2chat: Phi2Chat, data: Path, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(TOKYO, encoding="utf-8")
    done = phi2chat("curate", "validate", "data.jsonl", "--against", "train.jsonl", "--select", "against")
    assert (done.returncode, done.stdout) == (
        1,
        "data.jsonl:1:32: instruction: the same question stands in train.jsonl:1 [leak]\n"
        "2 records in 1 file: 1 error, 0 warnings\n",
    )
    done = phi2chat("curate", "validate", "data.jsonl", "--against", "nothing.jsonl")
    assert (done.returncode, done.stderr) == (1, "phi2chat: nothing.jsonl: no such file; check the path\n")


def test_a_record_that_is_too_long_is_named_with_what_would_be_cut(
    phi2chat: Phi2Chat, data: Path, tiny_phi: Path
) -> None:
    data.write_text(
        TOKYO + TOKYO.replace("tokyo", "long").replace("東京です。", "東京です。" * 20 + "終わりです。"),
        encoding="utf-8",
    )
    options = ["--tokenizer", tiny_phi, "--max-length", 80]
    done = phi2chat("curate", "validate", "data.jsonl", "--select", "tokens", *options)
    assert done.returncode == 1
    assert re.fullmatch(
        r'data\.jsonl:2:1: \d+ tokens, \d+ more than 80; ".*終わりです。" would be cut off \[too-long\]\n'
        r"2 records in 1 file: 1 error, 0 warnings\n",
        done.stdout,
    )
    assert re.search(r"^ja: \d\.\d\d characters a token$", done.stderr, re.MULTILINE)
    done = phi2chat("curate", "validate", "data.jsonl", "--ignore", "tokens", "--format", "json", *options)
    assert json.loads(done.stdout)["characters_per_token"]["ja"] > 0
    assert done.returncode == 0


def test_without_a_tokenizer_no_model_library_is_loaded(clean_environment: dict[str, str], data: Path) -> None:
    code = (
        "import sys; sys.argv = ['phi2chat', 'curate', 'validate', 'data.jsonl']\n"
        "from phi2chat.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'jsonschema', 'rensa', 'numpy'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    data.write_text(TOKYO, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=data.parent, env=clean_environment, capture_output=True, text=True
    )
    assert done.stderr == "[]\n"


# -- for programs ----------------------------------------------------------------------------------------------------

EVIL = "a%b\r\nc: d,e::error::f\x1b[31m\u202e"
FINDINGS = [
    Finding(Path("data/日本 1.jsonl"), 3, 7, "answer", "is blank", "blank", subject="1"),
    Finding(Path("data/日本 1.jsonl"), 9, 2, "answer", EVIL, "wrong-script", "error", 5, subject="2"),
    Finding(Path("/abs/x.jsonl"), 1, 1, "", "has both", "mixed-punctuation", "warning", subject="3"),
]
REPORT = Report(9, FINDINGS, ["no.jsonl: no such file; check the path"], {})


def test_sarif_has_what_its_schema_asks_for() -> None:
    log = json.loads(as_sarif(REPORT))
    assert (log["version"], log["$schema"]) == ("2.1.0", "https://json.schemastore.org/sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "phi2chat"
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    assert [rule["id"] for rule in driver["rules"]] == [rule for rule in RULES if rule in {f.rule for f in FINDINGS}]
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"] and rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
    for result, finding in zip(run["results"], FINDINGS, strict=True):
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == finding.rule
        assert result["level"] == finding.severity
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert re.fullmatch(r"[A-Za-z0-9%/:._-]+", place["artifactLocation"]["uri"])
        assert place["region"]["startLine"] >= 1 and place["region"]["startColumn"] >= 1
        assert all(isinstance(mark, str) for mark in result["partialFingerprints"].values())
    assert run["results"][1]["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 9,
        "startColumn": 2,
        "endColumn": 5,
    }
    assert run["results"][2]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///abs/x.jsonl"
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == REPORT.unreadable[0]


def test_a_workflow_command_cannot_be_begun_by_data() -> None:
    assert as_github(REPORT).split("\n") == [
        "::error file=data/日本 1.jsonl,line=3,col=7,title=blank::answer: is blank",
        "::error file=data/日本 1.jsonl,line=9,col=2,endColumn=5,title=wrong-script::"
        "answer: a%25b%0D%0Ac: d,e::error::f^[[31m<U+202E RLO>",
        "::warning file=/abs/x.jsonl,line=1,col=1,title=mixed-punctuation::has both",
        "::error title=file::no.jsonl: no such file; check the path",
    ]
    named = Report(1, [Finding(Path("a,b:c%.jsonl"), 1, 1, "", "m", "json")], [], {})
    assert as_github(named) == "::error file=a%2Cb%3Ac%25.jsonl,line=1,col=1,title=json::m"


@pytest.mark.parametrize("output", ["sarif", "github"])
def test_the_formats_for_programs_are_all_that_is_printed(phi2chat: Phi2Chat, data: Path, output: str) -> None:
    done = phi2chat("curate", "validate", "data.jsonl", "--format", output)
    assert (done.returncode, done.stderr) == (1, "")
    if output == "sarif":
        assert len(json.loads(done.stdout)["runs"][0]["results"]) == 3
    else:
        assert [line.partition(" ")[0] for line in done.stdout.splitlines()] == ["::error", "::warning", "::warning"]
    data.write_text(TOKYO, encoding="utf-8")
    done = phi2chat("curate", "validate", "data.jsonl", "--format", output)
    assert done.returncode == 0
    assert done.stdout == "" if output == "github" else json.loads(done.stdout)["runs"][0]["results"] == []
