"""A record's own answer says how others are judged: by its number, by its word, as yes or no, or not at all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.judging import describe_expectation, expectation_of, judge


def verdict(answer: str, question: str, reference: str, **more: Any) -> str:
    record = {"instruction": question, "answer": reference, **more}
    return judge(answer, expectation_of(record), question).verdict


@pytest.mark.parametrize(
    ("question", "reference", "right", "wrong"),
    [
        ("169と36の和はいくつですか。", "205になります。", ["169+36は205です。", "２０５", "二百五"], ["195です。", "169です。", "分かりません。"]),
        ("90にいくつ足すと133になりますか。", "43を足すと133になります。", ["43", "43です。90+43=133になります。"], ["14を足すと133になります。", "133です。"]),
        ("84×3を計算してください。", "84×3=252です。", ["252", "答えは252です。"], ["84×3=242です。"]),
        ("What is 332 + 36?", "It is 368.", ["368", "332 + 36 = 368"], ["358", "Three."]),
        ("219和76一共是多少？", "一共是295。", ["295", "是295。"], ["285", "不知道"]),
        ("28本を7人で分けると、一人何本ですか。", "一人4本です。", ["4本です。", "一人分は4本になります。"], ["7本です。", "一人です。"]),
        ("26000ミリリットルは何リットルですか。", "26リットルです。", ["26L", "26"], ["260リットル", "26ミリリットルです。"]),
        ("2トンは何キログラムですか。", "2000キログラムです。", ["2000kg", "2,000キロです。"], ["2000グラムです。"]),
        ("2日と43時間では、どちらが長いですか。", "2日のほうが長いです。", ["2日です。"], ["43時間です。"]),
        ("1968年は元号で何年ですか。", "昭和43年です。", ["昭和43年", "昭和四十三年"], ["大正43年", "平成2年"]),
        ("マニラの12時は、アテネの何時ですか。", "同じ日の6時です。", ["6時です。"], ["前の日の6時です。", "8時です。"]),
        ("ドバイの21時は、台北の何時ですか。", "翌日の1時です。", ["次の日の1時です。"], ["1時です。", "同じ日の1時です。"]),
        ("18時10分の145分前は何時何分ですか。", "15時45分です。", ["15:45", "145分前は15時45分です。"], ["16時45分", "15時45分か15時35分です。"]),
        ("4月27日の13日後はいつですか。", "5月10日です。", ["5月10日", "5/10"], ["5月11日", "10日です。"]),
        ("17÷3の商とあまりを求めてください。", "商は5、あまりは2です。", ["5あまり2", "5…2"], ["2あまり5", "5です。"]),
        ("フランスの首都はどこですか。", "首都はパリです。", ["パリ", "フランスの首都はパリです。"], ["リヨンです。", "パリではない。"]),
        ("ラオスの首都を教えてください。", "「ビエンチャン」です。", ["ビエンチャンです。"], ["ラオスです。"]),
        ("ヘルシンキはどの国の首都ですか。", "フィンランドの首都です。", ["フィンランドです。"], ["首都です。", "ノルウェーの首都です。"]),
        ("Which city is the capital of Albania?", "The capital is Tirana.", ["Tirana", "It's Tirana."], ["Albania", "Tiranaville"]),
        ("アルバニアの首都を英語の文で。", "The capital of Albania is Tirana.", ["Tirana"], ["Albania."]),
        ("What is the currency of Czechia?", "It is the Czech koruna.", ["The Czech koruna."], ["The euro.", "Czechia"]),
        ("贝鲁特是哪个国家的首都？", "是黎巴嫩的首都。", ["黎巴嫩", "贝鲁特是黎巴嫩的首都。"], ["首都", "是叙利亚。"]),
        ("「三人」の読みを教えてください。", "「さんにん」と読みます。", ["さんにん"], ["さんひと", "三人です。"]),
        ("「拡大」の対義語は何ですか。", "「縮小」です。", ["縮小", "「拡大」の対義語は「縮小」です。"], ["拡大です。"]),
        ("557は偶数ですか。", "いいえ、奇数です。", ["いいえ。", "奇数です。", "いいえ、奇数です"], ["はい、奇数です。", "いいえ、偶数です。"]),
        ("6kmと600mは同じですか。", "いいえ、違います。", ["いいえ、同じではありません。"], ["はい、違います。", "同じです。"]),
        ("「ヤオヤ」は回文ですか。", "はい、回文です。", ["はい", "回文です"], ["いいえ、回文です。", "回文ではありません。"]),
        ("「コロッケ」は回文ですか。", "回文ではありません。", ["いいえ。", "いいえ、回文ではないです。"], ["回文です。", "はい。"]),
        ("500円で120円の茶を4本買えますか。", "足ります。20円残ります。", ["20円残って足ります。"], ["足りません。20円足りない。"]),
        ("私の靴は何センチですか。", "聞いていないので分かりません。", ["わかりません。", "情報がないため答えられません。"], ["26センチです。"]),
        ("カレンダー、タンポポ、スケートを五十音順に並べて。", "カレンダー、スケート、タンポポ", ["カレンダー・スケート・タンポポです。"],
         ["カレンダー、タンポポ、スケート"]),
        ("国会は何と何の院でできていますか。", "衆議院と参議院です。", ["参議院と衆議院です。"], ["衆議院です。"]),
        ("3191を漢数字で書いてください。", "三千百九十一", ["「三千百九十一」です。"], ["3191", "三千百九十"]),
    ],
)  # fmt: skip
def test_a_short_answer_says_what_another_has_to_say(
    question: str, reference: str, right: list[str], wrong: list[str]
) -> None:
    for answer in (reference, *right):
        assert verdict(answer, question, reference) == "right", answer
    for answer in wrong:
        assert verdict(answer, question, reference) == "wrong", answer


@pytest.mark.parametrize(
    ("question", "reference", "category"),
    [
        ("次の英文を日本語に訳してください。It rained.", "雨でした。", ""),
        ("How do you say this?", "犬です。", "translate-en-ja"),
        ("氷はなぜ水に浮くのですか。", "氷のほうが水より密度が小さいからです。", ""),
        ("「会議は三時＿始まります。」に助詞を入れてください。", "会議は三時から始まります。", ""),
        ("朝、起きられません。", "寝る時間を三十分早めて、目覚まし時計を遠くに置いてみてください。", ""),
        ("くもは昆虫ですか。", "くもは昆虫ではありません。クモ類なので足が八本です。", ""),
        ("メモを書いてください。", "帰りに牛乳を一本買ってきてくれる？ ありがとう。", ""),
        ("Which butterflies make honey?", "No butterflies do. Honey is made by honeybees.", ""),
        ("Describe the harbour.", "Boats come and go all day, and the gulls that follow them are never quiet.", ""),
    ],
)
def test_a_translation_a_sentence_and_a_paragraph_are_not_right_or_wrong(
    question: str, reference: str, category: str
) -> None:
    for answer in (reference, "別の答えです。", ""):
        assert verdict(answer, question, reference, category=category) == "unjudged"


def test_what_a_record_says_itself_of_judging_goes_before_its_answer() -> None:
    assert verdict("東京です。", "首都は？", "東京です。", expect={"any_of": ["東京"]}) == "wrong"
    assert verdict("東京です。", "首都は？", "東京です。", judge="none") == "unjudged"
    assert verdict("東京か京都です。", "首都は？", "東京です。", forbid=["京都"]) == "wrong"


def test_what_is_expected_of_a_record_is_shown_as_its_answer() -> None:
    assert describe_expectation({"instruction": "169+36は？", "answer": "205になります。"}) == "205になります。"
    assert describe_expectation({"instruction": "首都は？", "answer": "東京です。"}) == "東京です。"
    assert describe_expectation({"instruction": "詩を書いて。", "answer": "春の海 ひねもすのたり のたりかな。"}) is None


words = st.text(
    st.sampled_from("東京パリカこれはのですと、。「」 0123時分月日いえABcd ") | st.characters(), max_size=40
)


def test_a_record_whose_answer_says_nothing_expects_nothing() -> None:
    assert verdict("東京", "首都は？", "？") == "unjudged"


@given(question=words, reference=words, answer=words)
def test_a_records_own_answer_is_never_wrong_and_every_other_gets_a_verdict(
    question: str, reference: str, answer: str
) -> None:
    expected = expectation_of({"instruction": question, "answer": reference})
    if expected is not None and any(char.isalnum() for char in reference):
        assert judge(reference, expected, question).verdict == "right"
    assert judge(answer, expected, question).verdict in ("right", "wrong", "unjudged")
