"""Units, counters and their readings, comparing and sorting."""

from collections.abc import Iterator
from random import Random

from ..kinds import Row

_UNITS = [
    ("キロメートル", "メートル", 1000), ("メートル", "センチメートル", 100), ("センチメートル", "ミリメートル", 10),
    ("キログラム", "グラム", 1000), ("トン", "キログラム", 1000), ("リットル", "ミリリットル", 1000),
    ("リットル", "デシリットル", 10), ("時間", "分", 60), ("分", "秒", 60), ("日", "時間", 24), ("週間", "日", 7),
    ("年", "か月", 12), ("平方メートル", "平方センチメートル", 10000), ("ヘクタール", "アール", 100),
    ("キロリットル", "リットル", 1000), ("立方メートル", "リットル", 1000), ("ダース", "本", 12),
]  # fmt: skip

# Each number with its counter, number and counter apart; × where two readings are equally common.
_COUNTERS = {
    "本|ほん|鉛筆": "いっ・ぽん に・ほん さん・ぼん よん・ほん ご・ほん ろっ・ぽん なな・ほん はっ・ぽん きゅう・ほん じゅっ・ぽん",
    "匹|ひき|猫": "いっ・ぴき に・ひき さん・びき よん・ひき ご・ひき ろっ・ぴき なな・ひき はっ・ぴき きゅう・ひき じゅっ・ぴき",
    "杯|はい|コーヒー": "いっ・ぱい に・はい さん・ばい よん・はい ご・はい ろっ・ぱい なな・はい はっ・ぱい きゅう・はい じゅっ・ぱい",
    "冊|さつ|本": "いっ・さつ に・さつ さん・さつ よん・さつ ご・さつ ろく・さつ なな・さつ はっ・さつ きゅう・さつ じゅっ・さつ",
    "個|こ|りんご": "いっ・こ に・こ さん・こ よん・こ ご・こ ろっ・こ なな・こ はっ・こ きゅう・こ じゅっ・こ",
    "枚|まい|紙": "いち・まい に・まい さん・まい よん・まい ご・まい ろく・まい なな・まい はち・まい きゅう・まい じゅう・まい",
    "台|だい|車": "いち・だい に・だい さん・だい よん・だい ご・だい ろく・だい なな・だい はち・だい きゅう・だい じゅう・だい",
    "回|かい|縄跳び": "いっ・かい に・かい さん・かい よん・かい ご・かい ろっ・かい なな・かい はっ・かい きゅう・かい じゅっ・かい",
    "軒|けん|家": "いっ・けん に・けん さん・げん よん・けん ご・けん ろっ・けん なな・けん はっ・けん きゅう・けん じゅっ・けん",
    "足|そく|靴": "いっ・そく に・そく さん・ぞく よん・そく ご・そく ろく・そく なな・そく はっ・そく きゅう・そく じゅっ・そく",
    "歳|さい|年齢": "いっ・さい に・さい さん・さい よん・さい ご・さい ろく・さい なな・さい はっ・さい きゅう・さい じゅっ・さい",
    "分|ふん|時計": "いっ・ぷん に・ふん さん・ぷん よん・ぷん ご・ふん ろっ・ぷん なな・ふん はっ・ぷん きゅう・ふん じゅっ・ぷん",
    "人|にん|客": "ひとり ふたり さん・にん よ・にん ご・にん ろく・にん × はち・にん きゅう・にん じゅう・にん",
    "羽|わ|鳥": "いち・わ に・わ × よん・わ ご・わ × なな・わ × きゅう・わ ×",
    "日|にち|日付": "ついたち ふつか みっか よっか いつか むいか なのか ようか ここのか とおか",
}
_NUMBERS = "いち に さん よん ご ろく なな はち きゅう じゅう".split()
_DIGITS = "一二三四五六七八九十"
_PEOPLE = "青木 上田 岡本 加藤 木村 小林 佐藤 鈴木 高橋 田中 中村 西川 林 松本 山田 渡辺".split()


def _units(rng: Random) -> Iterator[Row]:
    while True:
        big, small, factor = rng.choice(_UNITS)
        n = rng.randint(2, 12 if factor % 10 else 30)
        yield {
            "key": f"{_UNITS.index((big, small, factor)) + 1:02d}-{n}", "big": big, "small": small, "factor": str(factor),
            "n": str(n), "value": str(n * factor), "ask": rng.choice("1234567"), "wrong": str(n * factor * 10),
        }  # fmt: skip


def _units_mixed(rng: Random) -> Iterator[Row]:
    while True:
        big, small, factor = rng.choice(
            [unit for unit in _UNITS if unit[1] not in ("本", "平方センチメートル", "アール")]
        )
        n, rest = rng.randint(1, 8), rng.randint(1, factor - 1)
        rest = rest // 10 * 10 if factor >= 1000 else rest
        if rest:
            yield {
                "key": f"{_UNITS.index((big, small, factor)) + 1:02d}-{n}-{rest}", "big": big, "small": small,
                "factor": str(factor), "n": str(n), "rest": str(rest), "whole": str(n * factor),
                "value": str(n * factor + rest),
                "big_in_small": f"1{big}は{factor}{small}"
                + (f"なので、{n}{big}は{factor}×{n}={n * factor}{small}" if n > 1 else ""),
            }  # fmt: skip


def _readings(rng: Random) -> Iterator[Row]:
    rows = []
    for number, (entry, cells) in enumerate(_COUNTERS.items()):
        counter, plain, thing = entry.split("|")
        for place, cell in enumerate(cells.split()):
            if cell != "×":
                word = f"{_DIGITS[place]}{counter}"
                rows.append(
                    {
                        "key": f"{number + 1:02d}-{place + 1}", "word": word, "arabic": f"{place + 1}{counter}",
                        "reading": cell.replace("・", ""), "thing": thing, "why": _explain(counter, plain, place, cell),
                    }
                )  # fmt: skip
    rng.shuffle(rows)
    yield from rows


def _explain(counter: str, plain: str, place: int, cell: str) -> str:
    """How the reading comes from those of the number and of the counter."""
    digit, number = _DIGITS[place], _NUMBERS[place]
    if counter == "日":
        return f"日付の「{digit}日」は「{number}にち」とは読まず、昔からの和語の読み方をします。"
    if "・" not in cell:
        return f"人を数えるとき、「{digit}人」は「{number}にん」ではなく特別な読み方になります。"
    changed_number, changed = cell.split("・")
    voiced = "ぱ行の音" if changed[0] in "ぱぴぷぺぽ" else "濁った音"
    if changed_number == number and changed == plain:
        return f"「{digit}」は「{number}」、「{counter}」は「{plain}」で、続けても音は変わりません。"
    if changed == plain:
        how = "つまって" if changed_number.endswith("っ") else "短くなって"
        return f"「{digit}」は「{number}」ですが、「{counter}」の前では{how}「{changed_number}」になります。「{plain}」はそのままです。"
    if changed_number == number:
        return f"「{digit}」は「{number}」です。そのあとの「{counter}」は「{plain}」が{voiced}になり、「{changed}」と読みます。"
    return (
        f"「{digit}」の「{number}」がつまって「{changed_number}」になります。"
        f"「{counter}」の「{plain}」も{voiced}に変わって「{changed}」です。"
    )


def _compare(rng: Random) -> Iterator[Row]:
    """Two measures in different units."""
    while True:
        big, small, factor = rng.choice(_UNITS[:11])
        n = rng.randint(1, 5)
        whole = n * factor
        other = whole + rng.choice([-1, 1]) * rng.randint(1, max(2, factor // 4)) * (10 if factor >= 1000 else 1)
        if other <= 0 or other == whole:
            continue
        first, second = f"{n}{big}", f"{other}{small}"
        size, less = (
            ("重い", "軽い") if "グラム" in small else ("多い", "少ない") if "リットル" in small else ("長い", "短い")
        )
        winner = first if whole > other else second
        yield {
            "key": f"{_UNITS.index((big, small, factor)) + 1:02d}-{n}-{other}", "first": first, "second": second,
            "whole": f"{whole}{small}", "sign_text": less if whole > other else size, "size": size, "winner": winner,
            "loser": second if winner == first else first, "factor": f"1{big}は{factor}{small}",
        }  # fmt: skip


def _sort(rng: Random) -> Iterator[Row]:
    while True:
        size = rng.choice([4, 5])
        values = rng.sample(range(3, 300), size)
        ordered = sorted(values)
        down = rng.random() < 0.5
        result = ordered[::-1] if down else ordered
        yield {
            "key": "-".join(map(str, values)), "list": "、".join(map(str, values)),
            "result": "、".join(map(str, result)), "way": "大きい順" if down else "小さい順",
            "first": str(result[0]), "second": str(result[1]), "last": str(result[-1]), "size": str(size),
            "most": "大きい" if down else "小さい", "least": "小さい" if down else "大きい",
            "rest": "、".join(str(value) for value in values if value not in (result[0], result[-1])),
            "between": "、".join(map(str, result[1:-1])),
        }  # fmt: skip


def _ranking(rng: Random) -> Iterator[Row]:
    """Who is the tallest, and so on, from comparisons of two."""
    scales = [
        ("背が高い", "背が低い"), ("年上", "年下"), ("足が速い", "足が遅い"), ("早く着いた", "遅く着いた"),
        ("点数が高い", "点数が低い"), ("荷物が重い", "荷物が軽い"), ("家が駅に近い", "家が駅から遠い"),
    ]  # fmt: skip
    ends = {"年上": "年上です", "早く着いた": "早く着きました"}
    low_ends = {"年下": "年下です", "遅く着いた": "遅く着きました"}
    while True:
        a, b, c = rng.sample(_PEOPLE, 3)
        high, low = rng.choice(scales)
        says, says_low = ends.get(high, f"{high}です"), low_ends.get(low, f"{low}です")
        one = f"{a}さんは{b}さんより{says}" if rng.random() < 0.6 else f"{b}さんは{a}さんより{says_low}"
        two = f"{b}さんは{c}さんより{says}" if rng.random() < 0.6 else f"{c}さんは{b}さんより{says_low}"
        clues = [one, two]
        rng.shuffle(clues)
        yield {
            "key": "-".join(str(_PEOPLE.index(person) + 1) for person in (a, b, c)) + f"-{scales.index((high, low)) + 1}",
            "clues": "。".join(clues) + "。", "one": one, "two": two, "a": a, "b": b, "c": c,
            "order": {"年上": "年上から順に"}.get(high, f"{high}順に"),
            "who": {"年上": "年上なのは", "早く着いた": "早く着いたのは"}.get(high, f"{high}のは"),
            "who_low": {"年下": "年下なのは", "遅く着いた": "遅く着いたのは"}.get(low, f"{low}のは"),
        }  # fmt: skip


TABLES = {
    "units": _units,
    "units-mixed": _units_mixed,
    "reading-counter": _readings,
    "compare": _compare,
    "sort": _sort,
    "ranking": _ranking,
}
