"""What the guard flags and what it leaves alone, as sentences written for this file."""

import subprocess
import sys

import pytest

from curation.script import Span, Verdict, check, describe_spans
from curation.script.varieties import written_only_in


def flagged(text: str, expected_language: str = "ja", asked: str = "") -> list[tuple[str, str]]:
    return [(span.text, span.language) for span in check(text, expected_language, asked).spans]


def quoted(text: str, expected_language: str = "ja", asked: str = "") -> list[tuple[str, str]]:
    return [(span.text, span.language) for span in check(text, expected_language, asked).quoted]


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
        "存在、現在、在庫、在留資格、在宅勤務",
        "昭和、平和、調和、和食、大和",
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


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("「谢谢」は「ありがとう」です。", [("谢谢", "zh-Hans")]),
        ("中国語では“你好吗”と言います。", [("你好吗", "zh-Hans")]),
        ("「我们」これは中国語です。", [("我们", "zh-Hans")]),
        ("これは中国語です。「我们」", [("我们", "zh-Hans")]),
        ('"안녕하세요" は韓国語の挨拶です。', [("안녕하세요", "ko")]),
        ('彼は "You can do it if you try" と言った。', [("You can do it if you try", "en")]),
        ("「谢谢」と『你好』です。", [("谢谢", "zh-Hans"), ("你好", "zh")]),
        ('"A"这个"B"です。', [("这个", "zh-Hans")]),  # nobody knows which mark opens
        ('答えは "A"这个"B" です。', [("这个", "zh-Hans")]),
    ],
)
def test_foreign_text_in_quotation_marks_is_listed_and_flags_nothing(text: str, spans: list[tuple[str, str]]) -> None:
    assert quoted(text) == spans
    assert not check(text).flagged


@pytest.mark.parametrize("text", ["メールが届くと `You have new mail.' と出ます。", "`You have new mail.' と出ます。"])
def test_quotation_marks_of_tex_and_old_manuals_are_known(text: str) -> None:
    assert flagged(text) == []
    ((found, language),) = quoted(text)
    assert (found.rstrip("'"), language) == ("You have new mail.", "en")


@pytest.mark.parametrize(
    "text", ["「我们是学生。」", "『我们是学生』", "“我们是学生”", '"我们是学生"', '"我们"是"学生"']
)
def test_a_reply_that_is_all_in_quotation_marks_quotes_nothing(text: str) -> None:
    assert check(text).flagged
    assert quoted(text) == []


@pytest.mark.parametrize(
    ("expected_language", "text", "is_flagged"),
    [
        ("en", "「谢谢」", True),
        ("en", 'He said "谢谢" to me.', False),
        ("zh", "「ありがとう」", True),
        ("ko", "「谢谢」는 인사다", False),
        ("ja", "- 「谢谢」: ありがとう", False),
        ("ja", "これです。\n「谢谢」", False),
    ],
)
def test_a_quotation_needs_text_of_the_expected_language_around_it(
    expected_language: str, text: str, is_flagged: bool
) -> None:
    assert check(text, expected_language).flagged == is_flagged


def test_a_word_in_quotation_marks_excuses_no_other() -> None:
    text = "「谢谢」は中国語です。谢谢你。"
    assert (quoted(text), flagged(text)) == ([("谢谢", "zh-Hans")], [("谢谢你", "zh-Hans")])


@pytest.mark.parametrize("text", ["「ありがとう」", "“東京”", '"東京です"', "『吾輩は猫である』"])
def test_japanese_in_quotation_marks_is_neither_foreign_nor_quoted(text: str) -> None:
    assert check(text) == Verdict(())


@pytest.mark.parametrize(
    ("text", "asked", "quoted_spans", "spans"),
    [
        ("谢谢はありがとうです。", "谢谢の意味は？", [("谢谢", "zh-Hans")], []),
        ("谢谢はありがとうです。", "", [], [("谢谢", "zh-Hans")]),
        ("谢谢はありがとうです。", "「ありがとう」は中国語で？", [], [("谢谢", "zh-Hans")]),
        ("谢谢你はありがとうです。", "谢谢の意味は？", [], [("谢谢你", "zh-Hans")]),
        ("谢谢は中国語です。这是错误的。", "谢谢の意味は？", [("谢谢", "zh-Hans")], [("这是错误的", "zh-Hans")]),
        ("我们是学生。の訳です。", "我们是学生。を訳して", [("我们是学生", "zh-Hans")], []),
        ("You can do it は励ましです。", "You can do it の意味は？", [("You can do it", "en")], []),
        ("안녕は挨拶です。", "안녕하세요とは？", [("안녕", "ko")], []),
    ],
)
def test_what_is_repeated_from_the_question_is_quoted(
    text: str, asked: str, quoted_spans: list[tuple[str, str]], spans: list[tuple[str, str]]
) -> None:
    assert quoted(text, asked=asked) == quoted_spans
    assert flagged(text, asked=asked) == spans


@pytest.mark.parametrize("text", ["我们是学生", "我们是学生。", "「我们是学生。」"])
def test_a_reply_that_only_repeats_the_question_quotes_nothing(text: str) -> None:
    assert flagged(text, asked="我们是学生。") == [("我们是学生", "zh-Hans")]


@pytest.mark.parametrize("text", ["私は学生です。", "私は毎日学校へ行きます。", "東京都庁、大阪府庁。"])
@pytest.mark.parametrize("expected_language", ["zh-Hans", "zh-Hant"])
def test_a_question_that_was_not_translated_into_chinese_is_no_quotation(text: str, expected_language: str) -> None:
    assert flagged(text, expected_language, asked="訳してください：" + text) == [(text[:-1], "ja")]


@pytest.mark.parametrize(
    "text",
    [
        "學校へ行く",
        "彼は學校へ行つた。",
        "舊字體の文章を讀む。",
        "戰爭と平和",
        "國學院大學",
        "學校へ行く。友達と遊ぶ。",
    ],
)
def test_japanese_in_old_spelling_is_silent(text: str) -> None:
    assert flagged(text) == []


@pytest.mark.parametrize("text", ["學校很大", "學校很大。", "彼は學校很大と言った", "我們的學校", "今天天氣很好"])
def test_chinese_in_the_same_old_forms_is_flagged_as_traditional(text: str) -> None:
    assert [language for _, language in flagged(text)] == ["zh-Hant"]


@pytest.mark.parametrize(
    "word", ["所有", "全部", "可能", "必要", "一定", "現在", "方法", "東京", "北京", "学生", "先生"]
)
@pytest.mark.parametrize("sentence", ["{}", "{}。", "答えは{}です。", "{}、", "「{}」"])
def test_a_word_of_both_languages_is_silent_wherever_it_stands(word: str, sentence: str) -> None:
    assert check(sentence.format(word)) == Verdict(())


@pytest.mark.parametrize(
    "text",
    [
        "学生、先生、会社、学校",
        "現在、過去、未来",
        "経済、政治、社会",
        "春、夏、秋、冬",
        "東京、北京、上海",
        "国語、数学、理科、社会",
        "犬、猫、鳥、魚、馬",
        "米、麦、大豆",
    ],
)
def test_a_list_of_japanese_words_is_silent(text: str) -> None:
    assert flagged(text) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("这是正确的答案。", "Simplified Chinese"),
        ("這是正確的答案。", "Traditional Chinese"),
        ("早上好。", "Chinese"),
        ("我也不知道。", "Chinese"),
        ("没有问题。", "Simplified Chinese"),
        ("沒有問題，謝謝。", "Traditional Chinese"),
    ],
)
def test_chinese_is_named_by_its_variety_where_its_characters_show_one(text: str, name: str) -> None:
    assert [span.name for span in check(text).spans] == [name]


def test_a_span_knows_its_place_its_name_its_reason_and_how_sure_it_is() -> None:
    assert check("東京です。这是。").spans == (
        Span(5, 7, "这是", "zh-Hans", 1.0, "characters that Japanese does not use: 这"),
    )
    assert check("「谢谢」です。").quoted == (
        Span(1, 3, "谢谢", "zh-Hans", 1.0, "characters that Japanese does not use: 谢"),
    )
    assert check("東京です。这是。").spans[0].name == "Simplified Chinese"
    assert check("首都はМосква").spans == (Span(3, 9, "Москва", "Cyrillic", 1.0, "Cyrillic letters"),)
    assert check("首都は서울").spans == (Span(3, 5, "서울", "ko", 1.0, "Hangul letters"),)
    assert check("You can do it.").spans == (Span(0, 14, "You can do it.", "en", 0.95, "an English clause"),)


@pytest.mark.parametrize(
    ("expected_language", "text", "reason"),
    [
        ("ja", "这们你他她吗呢", "characters that Japanese does not use: 这们你她吗"),
        ("ja", "地址", "Chinese words: 地址"),
        ("en", "発売", "kanji that only Japanese uses"),
        ("en", "ひらがな", "kana"),
    ],
)
def test_a_reason_names_what_gave_the_language_away(expected_language: str, text: str, reason: str) -> None:
    (span,) = check(text, expected_language).spans
    assert span.reason == reason


def test_without_a_telling_character_the_guard_is_less_than_certain() -> None:
    (span,) = check("日本的首都是北京。").spans
    assert 0.5 <= span.confidence < 1
    assert span.reason.startswith("Chinese words: ")


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("答えです。Water boils at one hundred degrees.", "Water boils at one hundred degrees."),
        ("一つ目です。\n- Call the dentist before noon\n三つ目です。", "Call the dentist before noon"),
        ("3. Close the window and lock it\n4. 帰る", "Close the window and lock it"),
        ("Plants need sunlight to grow", "Plants need sunlight to grow"),
        ("Plants need sunlight to grow！次です。", "Plants need sunlight to grow"),
        ("Cats sleep for most of the day and hunt at dusk という文", "Cats sleep for most of the day and hunt at dusk"),
    ],
)
def test_an_english_sentence_needs_no_auxiliary_verb(text: str, english: str) -> None:
    assert flagged(text) == [(english, "en")]


@pytest.mark.parametrize(
    "text",
    [
        "time to live を短くします。",
        "これは end of file error です。",
        "値は (number of open files) です。",
        "The Art of Computer Programming",
        "Department of Health and Human Services",
        "変数 i を for i in range(10): で回します。",
        "end of file",
        "list of all files",
        "- state of the art\n- best of breed",
        "$ tar xzf archive.tar.gz of the release\nを実行します。",
    ],
)
def test_terms_titles_and_commands_are_no_english_sentence(text: str) -> None:
    assert flagged(text) == []


def test_a_grammatical_character_is_enough_to_tell_one_chinese_from_the_other() -> None:
    assert flagged("這是可能的", "zh-Hans") == [("這是可能的", "zh-Hant")]
    assert flagged("他们在家", "zh-Hant") == [("他们在家", "zh-Hans")]
    assert flagged("他姓黃", "zh-Hans") == []  # a name


@pytest.mark.parametrize(("simplified", "traditional"), [("国家", "國家"), ("我是学生", "我是學生"), ("天气", "天氣")])
def test_one_character_that_only_the_other_chinese_has_is_enough(simplified: str, traditional: str) -> None:
    assert flagged(simplified, "zh-Hant") == [(simplified, "zh-Hans")]
    assert flagged(traditional, "zh-Hans") == [(traditional, "zh-Hant")]
    assert flagged(simplified, "zh-Hans") == flagged(traditional, "zh-Hant") == flagged(simplified, "zh") == []


def test_characters_of_both_kinds_of_chinese_give_neither_away() -> None:
    simplified, traditional = written_only_in("zh-Hans"), written_only_in("zh-Hant")
    assert min(len(simplified), len(traditional)) > 1000
    assert simplified.isdisjoint(traditional)
    assert set("后里台干了面") & (simplified | traditional) == set()


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("我喜歡吃ラーメン和水餃。", ["ラーメン"]),
        ("答案是三。これが正しい答えです。", ["これが正しい答えです"]),
        ("请打开設定画面を開いてください。谢谢", ["設定画面を開いてください"]),
    ],
)
def test_japanese_in_chinese_ends_and_begins_where_it_does(text: str, spans: list[str]) -> None:
    assert [span.text for span in check(text, "zh").spans] == spans


def test_english_in_letters_of_full_width_is_english() -> None:
    assert [(span.text, span.language) for span in check("首都です。Ｙｏｕ　ｃａｎ　ｇｏ　ｎｏｗ。").spans] == [
        ("Ｙｏｕ　ｃａｎ　ｇｏ　ｎｏｗ", "en")
    ]
    assert not check("ＣＰＵとＷｉｎｄｏｗｓ　ＮＴを使う").spans


def test_a_chinese_character_behind_a_word_of_both_languages_is_no_stem_of_a_verb() -> None:
    assert [span.text for span in check("この命令行を実行する。").spans] == ["命令行"]
    assert not check("数字を全部足すと、命令する。").spans


def test_a_verdict_is_flagged_only_if_it_has_spans() -> None:
    assert not Verdict(()).flagged
    assert not Verdict((), check("「谢谢」です。").quoted).flagged
    assert check("这是错误的").flagged


def test_spans_are_described_in_one_short_line() -> None:
    text = "答えです。这是。\n답은 서울입니다 그리고 부산과 대구와 인천입니다"
    assert describe_spans(check(text).spans) == "Simplified Chinese: 这是; Korean: 답은 서울입니다 그리고 부산과 대구…"
    assert describe_spans([]) == ""


def test_importing_the_guard_builds_no_tables() -> None:
    code = "import curation.script.glyphs as g; print(g.charset.cache_info().currsize, len(g.CLASSES))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["0", "0"]


@pytest.mark.parametrize(
    ("expected_language", "text"), [("en", "Tokyo (東京) is a city."), ("ko", "日本的首都是北京 입니다")]
)
def test_where_han_is_not_at_home_it_is_reason_enough(expected_language: str, text: str) -> None:
    (span,) = check(text, expected_language).spans
    assert (span.reason, span.confidence) == ("Han characters", 1.0)
