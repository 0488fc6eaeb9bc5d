"""`--fix`: what is mended, that no record changes by it, and what a baseline knows again."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.baseline import fingerprints, read_baseline, without_accepted, write_baseline
from curation.errors import UserError
from curation.fix import FIXES, fix_file
from curation.records import parse_dataset
from curation.rules import RULES, check_dataset, choose

ONE, TWO = b'{"a": 1}', b'{"b": "\xe3\x81\x82"}'


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        (b"\xef\xbb\xbf" + ONE + b"\n", ONE + b"\n", {"bom": 1}),
        (ONE + b"\n\n \t\n" + TWO + b"\n", ONE + b"\n" + TWO + b"\n", {"blank-line": 2}),
        (ONE + b"\r\n" + TWO + b"\n", ONE + b"\n" + TWO + b"\n", {"mixed-line-ends": 1}),
        (ONE + b"\n" + TWO, ONE + b"\n" + TWO + b"\n", {"no-final-newline": 1}),
        (ONE + b"\r\n" + TWO, ONE + b"\r\n" + TWO + b"\r\n", {"no-final-newline": 1}),
        (ONE + b"\r\n" + TWO + b"\r\n", ONE + b"\r\n" + TWO + b"\r\n", {}),
        (ONE + b"\n" + TWO[:-1], ONE + b"\n" + TWO[:-1], {}),
        (ONE + b"\n\xff\n" + b'{"a": NaN}\n', ONE + b"\n\xff\n" + b'{"a": NaN}\n', {}),
        (ONE + b"\n\xe3\x80\x80\n", ONE + b"\n\xe3\x80\x80\n", {}),
        (b"", b"", {}),
    ],
)
def test_only_what_is_no_record_is_mended(tmp_path: Path, before: bytes, after: bytes, counts: dict[str, int]) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(before)
    inode = path.stat().st_ino
    assert fix_file(path, choose()) == counts
    assert path.read_bytes() == after
    assert (path.stat().st_ino == inode) == (before == after), "a file that is left alone is not written"


@given(st.lists(st.sampled_from([ONE, TWO, b"", b" ", b"{", b"\xff", b"\r", b"\xef\xbb\xbf", b"\n", b"\r\n"])))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_mended_file_holds_the_same_records_and_needs_no_more(tmp_path: Path, pieces: list[bytes]) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"".join(pieces))
    before = [record.data for _, record in parse_dataset(path, path.read_bytes()).records()]
    fix_file(path, choose())
    content = path.read_bytes()
    after = [record.data for _, record in parse_dataset(path, content).records()]
    assert after == before or b"\xef\xbb\xbf" in b"".join(pieces)
    rest = iter(after)  # a record behind a byte order mark is one only without it
    assert all(one in rest for one in before)
    fix_file(path, choose())
    assert path.read_bytes() == content


def test_what_is_not_chosen_is_not_mended(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(ONE + b"\r\n\n" + TWO)
    assert fix_file(path, choose(["blank-line"])) == {"blank-line": 1}
    assert path.read_bytes() == ONE + b"\r\n" + TWO


def test_what_is_called_fixable_has_a_fix() -> None:
    assert {rule.id for rule in RULES.values() if rule.fixable} == set(FIXES)


BAD = b'{"instruction": "a?", "reasoning": "b", "answer": "c {d} {d} {e}"}\n'


def test_a_baseline_knows_a_finding_again_where_its_line_has_moved(tmp_path: Path) -> None:
    def check(content: bytes) -> list[str]:
        findings = check_dataset(parse_dataset(Path("data/x.jsonl"), content))
        return [str(one) for one in without_accepted(findings, read_baseline(tmp_path / "base.json"))]

    findings = check_dataset(parse_dataset(Path("x.jsonl"), b"{\n" + BAD))
    assert len(findings) == len(set(fingerprints(findings))) == 4
    write_baseline(tmp_path / "base.json", findings)
    assert check(b"{\n" + BAD) == []
    assert check(ONE.replace(b"a", b"note") + b"\n" + BAD + b"{\n")[:3] == [
        f"data/x.jsonl:1:1: {field}: is missing [required]" for field in ("instruction", "reasoning", "answer")
    ]
    assert len(check(ONE.replace(b"a", b"note") + b"\n" + BAD + b"{\n")) == 4  # and the type of note
    assert len(check(BAD.replace(b"c {", b"C {"))) == 3
    assert len(check(BAD * 2)) == 4, "a second time is another"


@pytest.mark.parametrize("content", [b"", b"[]", b'{"version": 2, "accepted": []}', b'{"version": 1, "accepted": [1]}'])
def test_what_is_no_baseline_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "base.json").write_bytes(content)
    with pytest.raises(UserError, match="is not a baseline; write one with --update-baseline"):
        read_baseline(tmp_path / "base.json")
