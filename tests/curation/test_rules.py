"""Every rule by example: the line, with § where the finding points, and the finding."""

from pathlib import Path

import pytest

from curation.errors import UserError
from curation.records import format_record, parse_dataset
from curation.rules import OPINIONS, ErrorCheck, check_dataset, check_record, choose, require_contract

GOOD = {"instruction": "日本の首都は？", "reasoning": "国会がある都市です。", "answer": "東京です。"}
QUESTION = '"instruction": "日本の首都は？", "reasoning": "国会がある都市です。"'
RECORD = f'{QUESTION}, "answer": "東京です。"'
OTHER = '{"instruction": "1+1は？", "reasoning": "1の次は2です。", "answer": "2です。"}'


def findings(content: str) -> list[str]:
    return [str(finding) for finding in check_dataset(parse_dataset(Path("x.jsonl"), content.encode()))]


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        ('§{"instruction": "日本の首都は？", "reasoning": "国会です。"}', "answer: is missing [required]"),
        (f'{{{QUESTION}, "answer": §""}}', "answer: is blank [blank]"),
        (f'{{{QUESTION}, "answer": §" \\n\u3000"}}', "answer: is blank [blank]"),
        (f'{{{RECORD}, "family": §" "}}', "family: is blank [blank]"),
        (f'{{{RECORD}, "category": §""}}', "category: is blank [blank]"),
        (f'{{{RECORD}, "tags": §["a", " "]}}', "tags[1]: is blank [blank]"),
        (f'{{{QUESTION}, "answer": §5}}', "answer: must be a string, not a number [type]"),
        (f'{{{QUESTION}, "answer": §null}}', "answer: must be a string, not null [type]"),
        (f'{{{QUESTION}, "answer": §["東京"]}}', "answer: must be a string, not an array [type]"),
        (f'{{{RECORD}, "note": §true}}', "note: must be a string, not a boolean [type]"),
        (f'{{{RECORD}, "tags": §"a"}}', "tags: must be a list of strings, not a string [type]"),
        (f'{{{RECORD}, "tags": §[1]}}', "tags[0]: must be a string, not a number [type]"),
        (f'{{{RECORD}, "provenance": §[]}}', "provenance: must be an object, not an array [type]"),
        (f'{{{RECORD}, "language": §{{}}}}', "language: must be a string, not an object [type]"),
        (f'{{{RECORD}, "id": §""}}', "id: must be 1 to 64 of A-Z a-z 0-9 . _ - [id]"),
        (f'{{{RECORD}, "id": §"首都"}}', "id: must be 1 to 64 of A-Z a-z 0-9 . _ - [id]"),
        (f'{{{RECORD}, "id": §"a\\n"}}', "id: must be 1 to 64 of A-Z a-z 0-9 . _ - [id]"),
        (f'{{{RECORD}, "id": §"{"a" * 65}"}}', "id: must be 1 to 64 of A-Z a-z 0-9 . _ - [id]"),
        (
            f'{{{RECORD}, "language": §"日本語"}}',
            'language: "日本語" is not a language tag such as ja, en or zh-Hans [language-tag]',
        ),
        (
            f'{{{RECORD}, "reasoning_language": §"ja_JP"}}',
            'reasoning_language: "ja_JP" is not a language tag such as ja, en or zh-Hans [language-tag]',
        ),
        (
            f'{{{RECORD}, "language": §"jp"}}',
            'language: "jp" is not a language tag such as ja, en or zh-Hans [language-tag]',
        ),
        (
            f'{{{RECORD}, "language": §"Japanese"}}',
            'language: "Japanese" is not a language tag such as ja, en or zh-Hans [language-tag]',
        ),
        (
            f'{{{RECORD}, "Langage": §"ja"}}',
            'Langage: is not a field of a record; did you mean "language"? [unknown-field]',
        ),
        (f'{{{RECORD}, "output2": §1}}', "output2: is not a field of a record; it is kept as it is [unknown-field]"),
        ('{"a": §}', "not JSON: expecting value [json]"),
    ],
)
def test_a_rule_points_at_the_value_that_breaks_it(line: str, finding: str) -> None:
    before = line.index("§")
    expected = f"x.jsonl:2:{before + 1}: {finding}"
    assert findings(f"{OTHER}\n{line.replace('§', '')}\n") == [expected]


@pytest.mark.parametrize(
    "line",
    [
        f"{{{RECORD}}}",
        f'{{{RECORD}, "id": "{"a" * 64}", "input": "", "note": "", "tags": [], "provenance": {{"adapter": 1}}}}',
        f'{{{RECORD}, "language": "ja-JP", "reasoning_language": "ja"}}',
        '{"instruction": "東京を英語で", "reasoning": "東京はTokyoです。", "answer": "It is Tokyo.", "language": "en", "reasoning_language": "ja"}',
        '{"instruction": "这是什么？", "reasoning": "文字です。", "answer": "中国語の「这」です。"}',
    ],
    ids=["least", "most", "region", "English answer", "Chinese question and quotation"],
)
def test_a_good_record_has_no_finding(line: str) -> None:
    assert findings(line + "\n") == []


CHINESE_IN_ANSWER = '"这是" is Simplified Chinese where language is ja [wrong-script]'


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        (f'{{{QUESTION}, "answer": "はい。§这是♢です。"}}', f"answer: {CHINESE_IN_ANSWER}"),
        (f'{{{QUESTION}, "answer": "\\u6771\\u4eac\\n\\"§\\u8fd9是♢です。"}}', f"answer: {CHINESE_IN_ANSWER}"),
        (f'{{{QUESTION}, "answer": "\\ud83d\\uDDFC 😀\\\\ \\/§\\u8fd9是♢です。"}}', f"answer: {CHINESE_IN_ANSWER}"),
        (f'{{{QUESTION}, "\\u0061nswer"\t:  "はい。§这是♢です。", "note": "1"}}', f"answer: {CHINESE_IN_ANSWER}"),
        (
            '{"instruction": "首都は？", "reasoning": "§한국의 수도입니다♢.", "answer": "ソウルです。"}',
            'reasoning: "한국의 수도입니다" is Korean where reasoning_language is ja [wrong-script]',
        ),
        (
            '{"instruction": "Capital?", "reasoning": "It is 東京.", "answer": "§東京です♢。", "language": "en", "reasoning_language": "ja"}',
            'answer: "東京です" is Japanese where language is en [wrong-script]',
        ),
        (
            f'{{{QUESTION}, "answer": "§{"这是东京也是大阪" * 5}♢。"}}',
            'answer: "这是东京也是大阪这是东京也是大阪这是东京也是大阪这是东京也…" is Simplified Chinese where language is ja [wrong-script]',
        ),
        (
            '{"instruction": "日本の首都は？§这是什么♢？", "reasoning": "国会です。", "answer": "東京です。"}',
            'instruction: "这是什么" is Simplified Chinese where the rest of the instruction is ja; put it in 「」 if it is quoted [wrong-script]',
        ),
        (
            '{"instruction": "서울은 §这是♢ 어디입니까", "reasoning": "政府です。", "answer": "韓国です。"}',
            'instruction: "这是" is Simplified Chinese where the rest of the instruction is ko; put it in 「」 if it is quoted [wrong-script]',
        ),
    ],
    ids=[
        "plain",
        "escapes",
        "surrogate pairs",
        "escaped key",
        "reasoning",
        "English",
        "long",
        "ja question",
        "ko question",
    ],
)
def test_text_in_the_wrong_script_is_marked_from_its_first_to_its_last_character(line: str, finding: str) -> None:
    content = line.replace("§", "").replace("♢", "") + "\n"
    (found,) = check_dataset(parse_dataset(Path("x.jsonl"), content.encode()), choose(["script"]))
    start, end = line.index("§"), line.index("♢") - 1
    assert str(found) == f"x.jsonl:1:{start + 1}: {finding}"
    assert (found.column, found.end_column) == (start + 1, end + 1)


def test_each_run_in_the_wrong_script_is_a_finding_of_its_own() -> None:
    line = f'{{{QUESTION}, "answer": "这是东京。\\nはい。\\n도쿄입니다。"}}'
    found = check_dataset(parse_dataset(Path("x.jsonl"), line.encode()), choose(["script"]))
    assert [line[f.column - 1 : (f.end_column or 0) - 1] for f in found] == ["这是东京", "도쿄입니다"]


JAPANESE = {"reasoning": "国会です。", "answer": "東京です。"}
ENGLISH = {"reasoning": "It is so.", "answer": "It is Tokyo.", "language": "en"}


@pytest.mark.parametrize(
    "record",
    [
        {"instruction": "中国的首都是哪里？", **JAPANESE},
        {"instruction": "What is the capital of Japan?", **JAPANESE},
        {"instruction": "Какой город столица?", **JAPANESE},
        {"instruction": "日本の首都はどこですか。", **ENGLISH},
        {"instruction": "What does 猫 mean?", **ENGLISH},
        {"instruction": "日本の首都は？ Please answer in English.", **ENGLISH},
        {"instruction": "「这是什么？」を訳してください。", **JAPANESE},
        {"instruction": "次の文を訳してください：这是什么？", **JAPANESE},
        {"instruction": "次の文を訳してください。\n这是什么？我们也不知道。", **JAPANESE},
        {"instruction": "訳してください。", "input": "これは what is this と这是什么です。", **JAPANESE},
    ],
    ids=lambda record: record["instruction"],
)
def test_an_instruction_may_be_in_any_language_and_quote_any(record: dict[str, str]) -> None:
    assert check_record(Path("x.jsonl"), record) == []


SOURCE = {"instruction": "日本語に訳してください。", "input": "这是什么？", "reasoning": "这是は「これは」です。"}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"answer": "これは何ですか。"}, []),
        ({"answer": "これは何ですか。", "reasoning": "这是什么とは「これは何ですか」です。"}, []),
        ({"answer": "これは何ですか。", "reasoning": "那是什么とは「それは何ですか」です。"}, ["reasoning"]),
        ({"answer": "这是什么"}, ["answer"]),
        ({"input": "", "instruction": "日本語に訳してください：这是什么？", "answer": "这是什么？"}, ["answer"]),
        ({"input": "", "instruction": "「这是什么？」を訳して", "answer": "这是什么です。"}, []),
    ],
    ids=["a word", "a sentence", "not in the source", "untranslated", "untranslated after a colon", "quoted question"],
)
def test_what_was_asked_may_be_repeated_but_not_in_place_of_the_answer(
    changes: dict[str, str], fields: list[str]
) -> None:
    found = check_record(Path("x.jsonl"), {**SOURCE, **changes})
    assert [(finding.field, finding.rule) for finding in found] == [(field, "wrong-script") for field in fields]


def test_an_id_may_be_used_once_in_a_file() -> None:
    lines = [f'{{"id": "a", {RECORD}}}\n'.replace("日本", country) for country in ("日本", "韓国", "タイ")]
    assert findings("".join(lines)) == [
        'x.jsonl:2:8: id: "a" was already used on line 1 [duplicate-id]',
        'x.jsonl:3:8: id: "a" was already used on line 1 [duplicate-id]',
    ]


CAPITAL = {"instruction": "首都は？", "input": "日本", "reasoning": "国会があります。", "answer": "東京です。"}


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"id": "b", "family": "f", "category": "c", "answer": "東京だ。", "reasoning": "国会です。"}, True),
        ({"instruction": "首都は?"}, True),  # a half-width mark, which is the same after NFKC
        ({"input": "日本\n", "instruction": "\u3000首都は？ "}, True),
        ({"reasoning_language": "ja"}, True),
        ({"language": "ja"}, True),
        ({"instruction": "首都はどこ？"}, False),
        ({"input": "韓国"}, False),
        ({"input": ""}, False),
        ({"instruction": "首都は？\n日本", "input": ""}, False),
        ({"instruction": "首都は？\n日本", "input": "ja"}, False),
        ({"language": "en", "answer": "Tokyo.", "reasoning_language": "ja"}, False),
    ],
)
def test_a_question_that_stands_twice_is_a_warning(changes: dict[str, str], same: bool) -> None:
    content = format_record({"id": "a", **CAPITAL}) + format_record({**CAPITAL, **changes})
    found = check_dataset(parse_dataset(Path("x.jsonl"), content), choose(["duplicate-question"]))
    assert [(finding.line, finding.rule, finding.severity) for finding in found] == (
        [(2, "duplicate-question", "warning")] if same else []
    )


def test_a_question_that_stands_three_times_is_led_back_to_the_first() -> None:
    column = RECORD.index('"日本の首都は？"') + 2
    assert findings(f"{{{RECORD}}}\n" * 3) == [
        f"x.jsonl:{line}:{column}: instruction: the same question stands on line 1 [duplicate-question]"
        for line in (2, 3)
    ]


def test_all_findings_come_at_once_in_the_order_of_the_file() -> None:
    content = f'{{"tags": 1, "answer": 2}}\n\n{{{RECORD}, "x": 1}}\n{{"id": [], {RECORD}}}\n'
    column = RECORD.index('"日本の首都は？"')
    assert findings(content) == [
        "x.jsonl:1:1: instruction: is missing [required]",
        "x.jsonl:1:1: reasoning: is missing [required]",
        "x.jsonl:1:10: tags: must be a list of strings, not a number [type]",
        "x.jsonl:1:23: answer: must be a string, not a number [type]",
        "x.jsonl:2:1: the line is blank; `curate validate --fix` removes it [blank-line]",
        f"x.jsonl:3:{len(RECORD) + 9}: x: is not a field of a record; it is kept as it is [unknown-field]",
        "x.jsonl:4:8: id: must be a string, not an array [type]",
        f"x.jsonl:4:{column + 12}: instruction: the same question stands on line 3 [duplicate-question]",
    ]


def test_an_unknown_field_is_a_warning_and_the_rest_are_errors() -> None:
    content = f'{{{RECORD}, "x": 1, "id": ""}}\n'.encode()
    found = check_dataset(parse_dataset(Path("x.jsonl"), content))
    assert {finding.rule: finding.severity for finding in found} == {"unknown-field": "warning", "id": "error"}


def test_a_record_that_is_not_in_a_file_yet_is_checked_by_the_same_rules() -> None:
    assert check_record(Path("x.jsonl"), dict(GOOD)) == []
    assert [finding.rule for finding in check_record(Path("x.jsonl"), {**GOOD, "answer": " "})] == ["blank"]


@pytest.mark.parametrize(("field", "value"), [("answer", "caf\udce9"), ("tags", ["a", "\udcff"]), ("x\udcff", "a")])
def test_a_byte_that_was_typed_in_another_encoding_is_a_finding(field: str, value: object) -> None:
    (finding,) = check_record(Path("x.jsonl"), {**GOOD, field: value})
    assert str(finding) == (
        f"x.jsonl:1:1: {field}: holds a byte that is not UTF-8; set the terminal to UTF-8 and type it again [utf-8]"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "x.jsonl: holds no record; add one with `phi2chat curate add x.jsonl`"),
        (
            f'{{{RECORD}, "id": ""}}\n[]\n',
            f"x.jsonl:1:{len(RECORD) + 10}: id: must be 1 to 64 of A-Z a-z 0-9 . _ - [id] (and 1 more);"
            " mend it, `phi2chat curate validate x.jsonl` shows all",
        ),
    ],
    ids=["empty", "broken"],
)
def test_what_is_no_dataset_is_refused_before_work_begins(content: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        require_contract(parse_dataset(Path("x.jsonl"), content.encode()))
    assert str(error.value) == message


def test_warnings_and_opinions_do_not_stop_the_work() -> None:
    content = f'{{{QUESTION}, "answer": "这是东京。", "x": 1}}\n'.encode()
    require_contract(parse_dataset(Path("x.jsonl"), content))


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"answer": " "}, {"answer": None}, {"id": "a b"}, {"language": "xx-yy-zz"}, {"tags": "a"}, {"x": {"y": 1}},
        {"answer": "答えは们です。"}, {"answer": "半分\ud800"}, {"answer": "{name} TODO"}, {"tags": ["a", "a"], "note": 1},
    ],
)  # fmt: skip
def test_the_errors_of_single_records_are_those_of_a_whole_check(changes: dict[str, object]) -> None:
    path = Path("x.jsonl")
    data: dict[str, object] = {"id": "a", "instruction": "問い", "reasoning": "理由", "answer": "答え", **changes}
    errors = [finding for finding in check_record(path, dict(data)) if finding.severity == "error"]
    check = ErrorCheck(path)
    assert [check.find(data) for _ in range(2)] == [errors] * 2
    assert ErrorCheck(path, OPINIONS).find(data) == [error for error in errors if error.rule not in OPINIONS]
