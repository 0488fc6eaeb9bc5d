"""What the guard flags and what it leaves alone, as sentences written for this file."""

import subprocess
import sys

import pytest

from curation.script import Span, Verdict, check, describe_spans


def flagged(text: str, expected_language: str = "ja") -> list[tuple[str, str]]:
    return [(span.text, span.language) for span in check(text, expected_language).spans]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "東京都",
        "日本の首都は東京です。",
        "髙橋さんと𠮷田さんは國學院大學の卒業生です。",
        "㐂寿、𠮟責、塡補、剝離、頰",
        "渡邊、齋藤、黃、瀧澤、龍",
        "目的、的確、具体的内容、国際的合意、標的",
        "完了、終了、了解、魅了、未了",
        "是非、是正、国是、色即是空",
        "不在、不明、不可能、不動産、不用品、再起不能",
        "我慢、我流、自我、怪我、無我夢中、我田引水",
        "其他、他人、排他的経済水域、利他的行動",
        "存在、現在、在庫、在留資格、改正在留資格認定",
        "昭和、平和、調和、和食、大和",
        "注文件数、論文件数、数字符号、方程式",
        "東京都有地、東京都要綱、京都府立大学",
        "不法行為に基づく損害賠償請求権の消滅時効",
        "被保険者資格喪失届、被相続人、被告人",
        "独立行政法人国立高等専門学校機構",
        "東京都千代田区霞が関三丁目二番一号",
        "第一章　総則\n第二章　権利義務\n第三章　罰則",
        "社会需要、市場需要、包括的支援",
        "ﾃｽﾄです。ＡＢＣ１２３",
        "顔文字は(´Д｀)や(・ω・)です。",
        "角度αとβの和はΔに等しい。",
        "PythonとOpenAI APIを使います。",
        "POSIX の bc と GNU awk は別の道具です。",
        "映画 The Lord of the Rings を見ました。",
        "本の題は How to Solve It です。",
        "詳しくは https://example.com/what/you/do/if/this/is を見てください。",
        "「谢谢」は中国語でありがとうの意味です。",
        "中国語では“你好吗”と言います。",
        '"안녕하세요" は韓国語の挨拶です。',
        '彼は "You can do it if you try" と言った。',
        "『红楼梦』は清代の小説です。",
        "`git commit --message '修复错误'` を実行します。",
        "例です。\n```python\nprint('这是正确的答案')\n# this is what you have to do\n```\n終わり。",
    ],
)
def test_legitimate_japanese_is_silent(text: str) -> None:
    assert flagged(text) == []


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("日本の首都は東京です。这是正确的答案。", [("这是正确的答案", "zh-Hans")]),
        ("日本的首都是北京。", [("日本的首都是北京", "zh")]),
        ("答えは次の通りです。這是正確的答案，請參考。", [("這是正確的答案，請參考", "zh-Hant")]),
        ("従来の计算机は遅い。", [("计算机", "zh-Hans")]),
        ("この地址を確認してください。", [("地址", "zh")]),
        ("如果明天下雨，我就不去。", [("如果明天下雨，我就不去", "zh")]),
        ("ファイルを请保存后重启。", [("请保存后重启", "zh-Hans")]),
        ("你可以用 Python 写程序。", [("你可以用 Python 写程序", "zh-Hans")]),
        ("- 一つ目です\n- 第二个问题\n- 三つ目です", [("第二个问题", "zh-Hans")]),
        ("首都はソウルです。서울은 한국의 수도입니다.", [("서울은 한국의 수도입니다", "ko")]),
        ("答えです。You can find it in the manual.", [("You can find it in the manual.", "en")]),
        ("挨拶はпривет、これはสวัสดีです。", [("привет", "Cyrillic"), ("สวัสดี", "Thai")]),
        (
            "語はשלוםとनमस्तेとمرحباとλόγος。",
            [("שלום", "Hebrew"), ("नमस्ते", "Devanagari"), ("مرحبا", "Arabic"), ("λόγος", "Greek")],
        ),
        ("```code``` です。这是错误的。", [("这是错误的", "zh-Hans")]),
        ("```\n错误\n```\n这是错误的。", [("这是错误的", "zh-Hans")]),
        ("「谢谢」は中国語です。这是错误的。", [("这是错误的", "zh-Hans")]),
        ("「这是没有关上的引号。\n次の行です。", [("这是没有关上的引号", "zh-Hans")]),
    ],
)
def test_foreign_text_in_japanese_is_found_with_its_exact_span(text: str, spans: list[tuple[str, str]]) -> None:
    assert flagged(text) == spans


@pytest.mark.parametrize(
    ("expected_language", "text", "spans"),
    [
        ("en", "The capital is 東京です now.", [("東京です", "ja")]),
        ("en-GB", "The capital is 서울 now.", [("서울", "ko")]),
        ("en", "The answer is 这个 here.", [("这个", "zh-Hans")]),
        ("en", 'They say "谢谢" in China, and it is short.', []),
        ("fr", "La réponse est 北京, voilà.", [("北京", "zh")]),
        ("zh", "我喜欢吃苹果。", []),
        ("zh", "我喜歡吃蘋果。", []),
        ("zh-Hans", "优の良品是一家店。", []),
        ("zh-Hans", "我喜欢りんごジュース。", [("りんごジュース", "ja")]),
        ("zh-Hans", "我们都很好。喜歡這個國家。", [("喜歡這個國家", "zh-Hant")]),
        ("zh_TW", "我們喜歡這個國家。这个国家很远。", [("这个国家很远", "zh-Hans")]),
        ("zh-CN", "这个人叫黃國。", []),
        ("ko", "서울(首爾)은 수도입니다.", []),
        ("ko", "서울은 ひらがな 입니다.", [("ひらがな", "ja")]),
        ("ko", "정답은 日本的首都是東京 입니다.", [("日本的首都是東京", "zh")]),
        ("ko", "네. You can find it in the manual.", [("You can find it in the manual.", "en")]),
        ("ru", "Столица — 東京 и Tokyo.", [("東京", "zh")]),
        ("tlh", "这是 привет です", []),
        ("", "这是 привет です", []),
        ("-", "这是 привет です", []),
    ],
)
def test_each_expected_language_has_its_own_idea_of_foreign(
    expected_language: str, text: str, spans: list[tuple[str, str]]
) -> None:
    assert flagged(text, expected_language) == spans


def test_a_span_knows_its_place_its_name_and_its_reason() -> None:
    assert check("東京です。这是。").spans == (
        Span(5, 7, "这是", "zh-Hans", "characters that Japanese does not use: 这"),
    )
    assert check("東京です。这是。").spans[0].name == "Simplified Chinese"
    assert check("首都はМосква").spans[0].name == "Cyrillic"


def test_a_verdict_is_flagged_only_if_it_has_spans() -> None:
    assert not Verdict(()).flagged
    assert check("这是错误的").flagged


def test_spans_are_described_in_one_short_line() -> None:
    text = "答えです。这是。\n답은 서울입니다 그리고 부산과 대구와 인천입니다"
    assert describe_spans(check(text).spans) == "Simplified Chinese: 这是; Korean: 답은 서울입니다 그리고 부산과 대구…"
    assert describe_spans([]) == ""


def test_importing_the_guard_builds_no_tables() -> None:
    code = "import curation.script.glyphs as g; print(g.charset.cache_info().currsize, len(g.CLASSES))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["0", "0"]
