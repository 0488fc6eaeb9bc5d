"""What was read before is looked up, what is simple is judged at once, and a text says the same as if it had been read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.script import Piece, StreamChecker, check
from curation.script.bounds import bounds
from curation.script.clean import (
    LINE_END,
    START,
    find_chinese,
    find_clean_end,
    has_kana,
    is_clean,
    remember,
    remember_between_kana,
)
from curation.script.glyphs import CLASSES, KANA

# Words that are Japanese, Chinese, or both, alone or beside others, in old spelling or in today's.
WORDS = """学校 學校 国 文件 論文 数 北京 但是 時間 东 電話 在 の を は です カタカナ ー 。 、 「 」
『 』 “ 这 衤 웨 α 々 日本 単位 関係 命令行 公司 因为 如果 ` \" you can is 12 \x02"""
# Chinese, words of both languages, old forms beside simplified ones, and all that may stand between them.
CHINESE = """这是 我们 我們 學校 電話 国 的 在 如果 文件 論文 北京 社会 需要 東京都 学 無 不 請按 確定 为 因為 発 々 〇 一
。 、 ， ！ ： . , ( ) ） 「 」 “ ” 12 3.5 A x Python you can is the a 😀 α"""
TEXTS = st.lists(st.sampled_from([*WORDS.split(), "\n", " "]), max_size=30).map("".join)


def read_one_by_one(text: str) -> list[Piece]:
    """A character at a time, so that nothing is there to be looked up."""
    checker = StreamChecker("ja")
    return [piece for char in text for piece in checker.feed(char)] + checker.close()


@given(TEXTS, TEXTS)
def test_what_was_read_before_changes_no_verdict(before: str, text: str) -> None:
    check(before)
    check(text)
    read = read_one_by_one(text)
    verdict = check(text)
    assert "".join(piece.text for piece in read if piece.span_language) == "".join(span.text for span in verdict.spans)
    assert "".join(piece.text for piece in read if piece.quoted_language) == "".join(
        span.text for span in verdict.quoted
    )


def test_text_is_clean_up_to_what_was_not_read_before() -> None:
    remember("は", "甲α丙", "を")
    remember("を", "丁β、", "の")
    text = "甲α丙をを丁β、の己γの"
    assert find_clean_end(text, 0, "は", in_line=False, closed=True) == text.index("己")
    assert find_clean_end(text, 0, "が", in_line=False, closed=True) == 0
    assert find_clean_end("甲α丙", 0, "は", in_line=False, closed=True) == 0


def test_what_the_chain_alone_can_judge_is_clean_at_first_sight() -> None:
    text = "、社会が、国会です。"
    assert find_clean_end(text, 0, "は", in_line=False, closed=True) == len(text)
    assert find_clean_end("学校は这", 0, START, in_line=False, closed=True) == len("学校は")


@pytest.mark.parametrize(
    "text",
    ["", "東京です。\n「単位」と『関係』は？", "2026年のPythonと 12 の例", "々", "あ\x02い", "一\u2028二"],
)
def test_a_text_of_nothing_but_what_is_simple_is_clean(text: str) -> None:
    assert is_clean(text)


@pytest.mark.parametrize(
    "text",
    [
        "这",
        "あ这い",
        "「谢谢」と言う",
        '学校"这"',
        '"命令行"は',
        "`命令行`は",
        "you can go",
        "list of the old file names",
        "\x02这",
        "命令行",
    ],
)
def test_what_is_not_simple_is_left_to_the_reader(text: str) -> None:
    assert not is_clean(text)


@pytest.mark.parametrize(
    "text",
    [
        "「あ",
        "「『あ』」",
        "「あ\n」",
        '"あ"と“国会”',
        "`あ`を`単位'に",
        "社会を\n```\nint main(void) { return 12; }\n```\n数",
        "GOT (global offset table) と、" + "Debian Policy Manual, " * 4 + "を",
        "2026年12月31日火曜日 3時54分00秒",
    ],
)
def test_a_text_is_clean_where_nothing_could_be_foreign_whatever_its_marks_mean(text: str) -> None:
    assert is_clean(text) and not check(text).spans


@given(TEXTS)
def test_a_clean_text_has_nothing_foreign_in_it_that_is_read_one_by_one(text: str) -> None:
    if is_clean(text):
        assert not any(piece.span_language or piece.quoted_language for piece in read_one_by_one(text))


def test_judging_changes_nothing_that_threads_share() -> None:
    before = dict(vars(bounds()))
    assert is_clean("甲は癸A壬と、庚、3辛を") and not is_clean("これは命令行だ")
    assert find_chinese("这是正确的答案。") and not find_chinese("国立大学")
    assert vars(bounds()) == before


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("这是正确的答案。", "这是正确的答案"),
        ("  ……請按「取消」, 然後再試 3 次！", "請按「取消」, 然後再試 3 次"),
        ("如果找不到文件，请使用 Python 3 的这个命令 (127.0.0.1)。", "如果找不到文件，请使用 Python 3 的这个命令"),
        ("我们今天在这里讨论的问题，" * 20, "我们今天在这里讨论的问题，" * 19 + "我们今天在这里讨论的问题"),
    ],
)
def test_a_text_that_is_chinese_throughout_is_told_without_being_read(text: str, chinese: str) -> None:
    ends = find_chinese(text)
    assert ends and text[slice(*ends)] == chinese
    assert "".join(piece.text for piece in read_one_by_one(text) if piece.span_language) == chinese


@pytest.mark.parametrize(
    "text",
    [
        "",
        "。",
        "国立大学図書館",
        "这是答案です",
        "这是答案\n",
        "这是答案 Python",
        "「这是答案」",
        '这是"答案"',
        "这是`答案`",
        "这是정답",
        "请输入 you can go 这个命令",
        "東京、这是正确的答案",
    ],
)
def test_what_may_be_more_than_one_run_of_chinese_is_left_to_the_reader(text: str) -> None:
    assert find_chinese(text) is None


@given(st.lists(st.sampled_from([*CHINESE.split(), " ", "\u3000"]), max_size=30).map("".join))
def test_what_is_told_to_be_chinese_throughout_is_one_run_when_it_is_read(text: str) -> None:
    if ends := find_chinese(text):
        flagged = [piece for piece in read_one_by_one(text) if piece.span_language]
        assert "".join(piece.text for piece in flagged) == text[slice(*ends)]


def test_a_long_text_is_judged_as_its_parts_are() -> None:
    assert not is_clean("は" + "学" * 39 + "α" + "を")
    assert not is_clean("は" + "学" * 60 + "を")


def test_what_ends_with_the_text_is_clean_once_the_text_has_ended() -> None:
    remember(START, "甲α丁", "")
    assert find_clean_end("甲α丁", 0, START, in_line=False, closed=True) == 3
    assert find_clean_end("甲α丁", 0, START, in_line=False, closed=False) == 0
    assert find_clean_end("甲α丁", 0, LINE_END, in_line=False, closed=True) == 0


def test_a_line_end_is_not_passed_over_within_a_quotation() -> None:
    remember("は", "甲丙", "\n")
    assert find_clean_end("甲丙\n", 0, "は", in_line=False, closed=False) == 3
    assert find_clean_end("甲丙\n", 0, "は", in_line=True, closed=False) == 0


def test_what_is_long_or_in_old_spelling_is_not_remembered() -> None:
    for segment in ("甲" * 40, "學α校"):
        remember("は", segment, "を")
        assert find_clean_end(segment + "を", 0, "は", in_line=False, closed=True) == 0


def test_signs_between_kana_are_clean() -> None:
    remember_between_kana("は、※が")
    assert find_clean_end("、※が", 0, "は", in_line=False, closed=False) == 3


def test_kana_is_what_the_classes_of_characters_call_so() -> None:
    every = "".join(map(chr, range(0x2E00, 0x10000)))
    assert [has_kana(char) for char in every] == [letter == KANA for letter in every.translate(CLASSES)]
