"""Answers that look right and are wrong, and the other way round: what a careless judge is taken in by."""

from typing import Any

import pytest

from curation.judging import expectation_of, judge


def says(*words: str, forbid: list[str] | None = None) -> dict[str, Any]:
    return {"expect": {"contains": list(words)}, "forbid": forbid or []}


def names(value: float, **more: Any) -> dict[str, Any]:
    return {"expect": {"number": value, **more}}


def record(question: str, answer: str) -> dict[str, Any]:
    return {"instruction": question, "answer": answer}


SUM = "58+79はいくつですか。"
ANIMALS = "犬、猫、鳥のうち、木に登るのはどれですか。"
PARITY = "907は偶数ですか、奇数ですか。"
SYNONYM = "「不意」と似た意味の言葉を選んでください。選択肢は突然、当然、自然です。"

WRONG: list[tuple[str, str, dict[str, Any]]] = [
    # A step on the way is not the answer.
    ("130+7=137、つまり147です。", SUM, names(137)),
    ("まず50+70=120、次に8+9=17なので、答えは147です。", SUM, names(137)),
    ("137に10を足して147です。", SUM, names(137)),
    ("137ではなく、147です。", SUM, names(137)),
    *(
        (text, SUM, names(137))
        for text in (
            "137は間違いです。",
            "137は違います。",
            "137とは言えません。",
            "137だとは思いません。",
            "不是137。",
            "并非137",
            "137不对",
            "It is not 137.",
            "It isn't 137.",
            "It cannot be 137.",
            "137 is wrong.",
            "137 isn't right.",
        )
    ),
    ("1mmです。", "何メートルですか。", names(1, unit=["メートル", "m"])),
    ("1m2です。", "何メートルですか。", names(1, unit=["メートル", "m"])),
    ("3時間です。", "何時ですか。", names(3, unit="時")),
    ("137から147です。", SUM, names(137)),
    ("137から147です。", SUM, names(147)),
    ("137か147です。", SUM, names(137)),
    ("137または147", SUM, names(147)),
    ("130〜140です。", SUM, names(140)),
    ("137と147です。", SUM, names(147)),
    ("The total is 147, because 137 + 10 = 147.", SUM, names(137)),
    ("3時間20分です。", "何時間かかりますか。", names(20, unit="時間")),
    (
        "1時間20分です。",
        "9時5分から11時25分までの長さは？",
        record("9時5分から11時25分までの長さは？", "2時間20分です。"),
    ),
    ("2時20秒です。", "長さは？", record("長さは？", "2時間20分です。")),
    ("5月10日か5月11日です。", "いつですか。", record("いつですか。", "5月10日です。")),
    ("15月10日です。", "いつですか。", record("いつですか。", "5月10日です。")),
    ("5月1日です。", "いつですか。", record("いつですか。", "5月10日です。")),
    # A word that is part of another one.
    ("パリスです。", "フランスの首都は？", says("パリ")),
    ("北京語です。", "中国の首都は？", says("北京")),
    ("フランス人です。", "どの国ですか。", says("フランス")),
    ("南スーダンです。", "どの国ですか。", says("スーダン")),
    ("不可能です。", "できますか。", says("可能")),
    ("未完成です。", "完成ですか。", says("完成")),
    ("新大阪です。", "どこですか。", says("大阪")),
    ("Parisian", "フランスの首都は？", says("Paris")),
    ("インドネシアです。", "どの国ですか。", says("インド")),
    ("手紙です。", "体のどこですか。", record("体のどこですか。", "「手」です。")),
    ("トマトです。", "「トマト」の3番目の文字は？", record("「トマト」の3番目の文字は？", "「ト」です。")),
    ("マリナーです。", "首都は？", says("リナ")),
    # The choices of the question, and none chosen.
    ("犬、猫、鳥です。", ANIMALS, says("猫")),
    ("犬か猫です。", ANIMALS, says("猫")),
    ("猫か犬です。", ANIMALS, says("猫")),
    ("犬、猫、鳥のうち、犬です。", ANIMALS, says("猫")),
    ("突然、当然、自然です。", SYNONYM, record(SYNONYM, "突然")),
    ("選択肢は突然、当然、自然です。", SYNONYM, record(SYNONYM, "突然")),
    ("偶数か奇数です。", PARITY, record(PARITY, "奇数です。")),
    ("奇数ではなく偶数です。", PARITY, record(PARITY, "奇数です。")),
    ("Cat or dog.", "Which barks, a cat or a dog?", says("dog")),
    # It is denied.
    ("東京とは言えません。", "首都は？", says("東京")),
    ("東京だとは思いません。", "首都は？", says("東京")),
    ("東京とは限りません。", "首都は？", says("東京")),
    ("東京は違います。", "首都は？", says("東京")),
    ("東京は間違いです。", "首都は？", says("東京")),
    ("東京は首都ではありません。", "首都は？", says("東京")),
    ("東京でも大阪でもありません。", "首都は？", says("東京")),
    ("Tokyo is not the capital.", "首都は？", says("Tokyo")),
    ("Tokyo is wrong.", "首都は？", says("Tokyo")),
    ("Kyoto rather than Tokyo.", "首都は？", says("Tokyo")),
    ("并不是东京。", "首都は？", says("东京")),
    ("东京不对。", "首都は？", says("东京")),
    ("大阪而非东京。", "首都は？", says("东京")),
    ("はい、偶数です。", "907は偶数ですか。", record("907は偶数ですか。", "いいえ、奇数です。")),
    ("はい、買えません。", "買えますか。", record("買えますか。", "はい、買えます。")),
    ("等しくありません。", "1kmと1000mは同じですか。", record("1kmと1000mは同じですか。", "はい、同じです。")),
    ("偶数ではありません。", "66は奇数ですか。", record("66は奇数ですか。", "いいえ、偶数です。")),
    ("はい。", "次に何が来るか分かる？", record("次に何が来るか分かる？", "はい、60です。")),
    ("動詞と名詞です。", "品詞は？", says("動詞", forbid=["名詞"])),
    ("名詞です。動詞や形容詞ではありません。", "名詞、動詞、形容詞のどれですか。", says("動詞")),
    ("3より2が大きいです。", "2と3では、どちらが大きいですか。", names(3)),
    ("To animals.", "Is it one of tools or of animals?", says("tools")),
    # Times, dates and numbers in other words.
    ("午前3時45分です。", "何時ですか。", record("何時ですか。", "15時45分です。")),
    ("午後4時45分です。", "何時ですか。", record("何時ですか。", "15時45分です。")),
    ("午後3時間です。", "何時間ですか。", names(15)),
    ("十二時十五分です。", "何時ですか。", record("何時ですか。", "12時30分です。")),
    ("九月五日です。", "いつですか。", record("いつですか。", "9月4日です。")),
    ("9月4日です。", "漢字で書いて。", record("漢字で書いて。", "九月四日です。")),
    ("Thirty-five.", "What is 12 times 3?", names(36)),
    ("The right one is thirty-six.", "Which?", names(1)),
    ("ビルです。", "何ですか。", says("ビール")),
    ("カラーです。", "何ですか。", says("カラ")),
    # Two names, and none chosen.
    ("ビシュケクかアスタナです。", "キルギスの首都は？", says("ビシュケク")),
    ("アスタナかビシュケクです。", "キルギスの首都は？", says("ビシュケク")),
    ("東京か大阪です。", "首都は？", says("東京")),
    ("東京または大阪です。", "首都は？", says("東京")),
    ("Tokyo or Osaka.", "首都は？", says("Tokyo")),
    ("东京或者大阪。", "首都是哪里？", says("东京")),
]

RIGHT: list[tuple[str, str, dict[str, Any]]] = [
    ("130+7=137なので、答えは137です。", SUM, names(137)),
    ("まず50+70=120、次に8+9=17、合わせて137です。", SUM, names(137)),
    ("130に7を足して137です。", SUM, names(137)),
    ("130と7を合わせて137になります。", SUM, names(137)),
    ("58+79は137です。", SUM, names(137)),
    ("It is not 127 but 137.", SUM, names(137)),
    ("不是127，是137。", SUM, names(137)),
    ("127は違います。137です。", SUM, names(137)),
    ("1 mです。", "何メートルですか。", names(1, unit=["メートル", "m"])),
    ("50と70を足すと120です。8と9を足すと17です。答えは137です。", SUM, names(137)),
    ("137です。58に79を足しました。", SUM, names(137)),
    ("十の位は120、一の位は17です。よって137です。", SUM, names(137)),
    ("127、いいえ、答えは137です。", SUM, names(137)),
    ("50 + 70 = 120 and 8 + 9 = 17, so the answer is 137.", SUM, names(137)),
    ("先算50+70=120，再算8+9=17，所以是137。", SUM, names(137)),
    ("2時間と20分です。", "長さは？", record("長さは？", "2時間20分です。")),
    (
        "11時25分引く9時5分で2時間20分です。",
        "9時5分から11時25分は？",
        record("9時5分から11時25分は？", "2時間20分です。"),
    ),
    ("5月10日、つまり13日後です。", "4月27日の13日後は？", record("4月27日の13日後は？", "5月10日です。")),
    ("パリス通りのあるパリです。", "フランスの首都は？", says("パリ")),
    ("花の都パリです。", "フランスの首都は？", says("パリ")),
    ("東南アジアです。", "どこですか。", says("アジア")),
    ("二十人です。", "何人ですか。", says("二十")),
    ("パリは国ではなく首都です。", "フランスの首都は？", says("パリ")),
    ("首都東京です。", "首都は？", says("東京")),
    ("東京都です。", "首都は？", says("東京")),
    ("北京市です。", "中国の首都は？", says("北京")),
    ("北京語を話す北京です。", "中国の首都は？", says("北京")),
    ("アディス・アベバです。", "首都は？", says("アディスアベバ")),
    ("体の手です。", "体のどこですか。", record("体のどこですか。", "「手」です。")),
    ("「トマト」の3番目の文字は「ト」です。", "「トマト」の3番目は？", record("「トマト」の3番目は？", "「ト」です。")),
    ("犬、猫、鳥のうち、猫です。", ANIMALS, says("猫")),
    ("犬ではなく、猫です。", ANIMALS, says("猫")),
    ("猫です。犬は木に登れません。", ANIMALS, says("猫")),
    ("犬と鳥は登らないので、猫です。", ANIMALS, says("猫")),
    ("猫が木に登ります。", ANIMALS, says("猫")),
    ("偶数ではないので、奇数です。", PARITY, record(PARITY, "奇数です。")),
    ("「突然」です。「当然」と「自然」は違います。", SYNONYM, record(SYNONYM, "突然")),
    ("A dog barks; a cat does not.", "Which barks, a cat or a dog?", says("dog")),
    ("東京ではないでしょうか。", "首都は？", says("東京")),
    ("大阪ではなく東京です。", "首都は？", says("東京")),
    ("京都は違います。東京です。", "首都は？", says("東京")),
    ("It is Tokyo, not Kyoto.", "首都は？", says("Tokyo")),
    ("不是大阪，是东京。", "首都は？", says("东京")),
    ("Not Osaka. Tokyo is the capital.", "首都は？", says("Tokyo")),
    ("買えます。", "買えますか。", record("買えますか。", "はい、買えます。")),
    ("はい、等しいです。", "1kmと1000mは同じですか。", record("1kmと1000mは同じですか。", "はい、同じです。")),
    ("異なります。", "1kmと10mは同じですか。", record("1kmと10mは同じですか。", "いいえ、違います。")),
    ("奇数ではありません。", "66は奇数ですか。", record("66は奇数ですか。", "いいえ、偶数です。")),
    ("魚ではなく、哺乳類です。", "鯨は魚ですか。", record("鯨は魚ですか。", "いいえ、ほ乳類です。")),
    ("60", "次に何が来るか分かる？", record("次に何が来るか分かる？", "はい、60です。")),
    ("不評に当たります。", "好評ですか、不評ですか。", record("好評ですか、不評ですか。", "不評です。")),
    ("お兄さんのお名前は存じません。", "私の兄の名前は？", record("私の兄の名前は？", "分かりません。")),
    ("動詞です。名詞や形容詞ではありません。", "品詞は？", says("動詞", forbid=["名詞", "形容詞"])),
    ("東京です。大阪、京都ではありません。", "首都は？", says("東京", forbid=["大阪", "京都"])),
    ("満足です。不満はありません。", "どちら？", says("満足", forbid=["不満"])),
    ("お金がありません。", "訳してください。", says("お金")),
    ("A hammer belongs to tools.", "Does a hammer belong to tools or to animals?", says("tools", "tool")),
    # Times, dates and numbers in other words.
    ("午後3時45分です。", "何時ですか。", record("何時ですか。", "15時45分です。")),
    ("午後三時四十五分", "何時ですか。", record("何時ですか。", "15時45分です。")),
    ("It is 3:45 p.m.", "What time is it?", record("What time is it?", "15:45")),
    ("午後3時です。", "何時ですか。", names(15)),
    ("12時半です。", "何時ですか。", record("何時ですか。", "12時30分です。")),
    ("九月四日です。", "いつですか。", record("いつですか。", "9月4日です。")),
    ("土曜です。", "何曜日ですか。", record("何曜日ですか。", "土曜日です。")),
    ("Twelve times three is thirty-six.", "What is 12 times 3?", names(36)),
    ("It is two thousand and twenty-four.", "Which year?", names(2024)),
    ("One hundred minus one is ninety-nine.", "What is 100 minus 1?", names(99)),
    ("合っています。", "7×8=56は正しいですか。", record("7×8=56は正しいですか。", "はい、正しいです。")),
    ("等于七十一。", "62加9等于多少？", names(71)),
    # Both names are right, or one is chosen in the end.
    ("東京か大阪かといえば、東京です。", "首都は？", says("東京")),
    ("東京かな。", "首都は？", says("東京")),
    ("東京かもしれません。", "首都は？", says("東京")),
    ("確か東京です。", "首都は？", says("東京")),
    ("カトマンズかカトマンドゥです。", "首都は？", says("カトマンズ", "カトマンドゥ")),
    ("Tokyo, or Edo of old.", "首都は？", says("Tokyo")),
    ("18名です。", "女子は何人ですか。", names(18, unit="人")),
    # One name in several spellings.
    ("ニューデリーです。", "首都は？", says("デリー")),
    ("デリーです。", "首都は？", says("ニューデリー")),
    ("ヴィリニュスです。", "首都は？", says("ビリニュス")),
    ("メキシコシティーです。", "首都は？", says("メキシコシティ")),
    ("コンピュータです。", "何ですか。", says("コンピューター")),
]


@pytest.mark.parametrize(("answer", "question", "data"), WRONG)
def test_what_only_looks_right_is_wrong(answer: str, question: str, data: dict[str, Any]) -> None:
    judged = judge(answer, expectation_of(data), question)
    assert judged.verdict == "wrong", judged.why


@pytest.mark.parametrize(("answer", "question", "data"), RIGHT)
def test_what_only_looks_wrong_is_right(answer: str, question: str, data: dict[str, Any]) -> None:
    judged = judge(answer, expectation_of(data), question)
    assert judged.verdict == "right", judged.why
