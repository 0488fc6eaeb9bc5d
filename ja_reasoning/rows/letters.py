"""Characters: counting them, turning them round, and numbers written in kanji."""

from collections.abc import Iterator
from random import Random

from ..kinds import Row

_WORDS = """トマト カメラ ホテル ピアノ レモン バナナ オレンジ サラダ ライオン イルカ クジラ ペンギン カマキリ フクロウ アサガオ
タンポポ ヒマワリ カタツムリ ウサギ ハムスター キリン オオカミ マンボウ カブトムシ テレビ ラジオ パソコン アイロン ボタン
リボン マフラー ズボン エプロン ハンカチ スリッパ ピンセット バイオリン オルガン トランペット ギター カスタネット ロケット
ヨット タクシー トラック バイク トンネル ビル レストラン デパート コンビニ プール グラウンド アパート カレンダー アルバム
ノート クレヨン ホチキス ハサミ ランドセル オムライス カレー スパゲッティ コロッケ プリン ケーキ ココア アイスクリーム
マラソン サッカー テニス スケート オリンピック ロボット プレゼント クリスマス ダイヤモンド アンテナ エンジン ブレーキ
キャベツ ニンジン キュウリ カボチャ タマネギ レタス ピーマン シイタケ""".split()
_ENGLISH = """apple window rabbit pencil garden mountain yellow orange kitchen holiday picture teacher weather animal
library morning station bicycle hospital language sunshine umbrella elephant notebook""".split()
_PALINDROMES = """シンブンシ タケヤブヤケタ キツツキ ヤオヤ ミナミ コネコ ワタシマケマシタワ ヨクキクヨ イカタベタカイ
ダンスガスンダ ルスニスル ナツマデマツナ""".split()
_SMALL = "ャュョッァィゥェォーゃゅょっ"
_DIGITS = "〇一二三四五六七八九"


def _words(rng: Random) -> Iterator[Row]:
    words = [word for word in _WORDS if not set(word) & set(_SMALL) and word[-1] not in "ーン"]
    rng.shuffle(words)
    for number, word in enumerate(words):
        place = rng.randint(2, len(word))
        yield {
            "key": f"{_WORDS.index(word) + 1:02d}", "word": word, "split": "・".join(word), "size": str(len(word)),
            "back": word[::-1], "back_split": "・".join(word[::-1]), "first": word[0], "last": word[-1],
            "place": str(place), "char": word[place - 1], "ask": str(number % 6 + 1),
        }  # fmt: skip


def _english(rng: Random) -> Iterator[Row]:
    words = list(_ENGLISH)
    rng.shuffle(words)
    for word in words:
        vowels = [char for char in word if char in "aeiou"]
        yield {
            "key": word, "word": word, "split": "-".join(word), "size": str(len(word)), "vowels": "".join(f"「{char}」" for char in vowels),
            "count": str(len(vowels)), "first": word[0], "last": word[-1], "back": word[::-1],
        }  # fmt: skip


def _palindromes(rng: Random) -> Iterator[Row]:
    words = [(word, True) for word in _PALINDROMES]
    words += [(word, False) for word in rng.sample([word for word in _WORDS if word != word[::-1]], 22)]
    rng.shuffle(words)
    for word, _ in words:
        yes = word == word[::-1]
        yield {
            "key": f"{_PALINDROMES.index(word) + 1:02d}p" if yes else f"{_WORDS.index(word) + 1:02d}w", "word": word,
            "back": word[::-1], "split": "・".join(word), "yes": "はい、回文です" if yes else "いいえ、回文ではありません",
            "verdict": "回文です" if yes else "回文ではありません",
            "same": "もとの言葉と同じ" if yes else "もとの言葉とは違う形",
        }  # fmt: skip


def _order(rng: Random) -> Iterator[Row]:
    """Words in the order of the kana table; all begin with another letter."""
    clean = [
        word
        for word in _WORDS
        if word[0] in "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロ"
    ]
    while True:
        words = rng.sample(clean, 3)
        firsts = [word[0] for word in words]
        if len(set(firsts)) < 3:
            continue
        result = sorted(words)
        yield {
            "key": "-".join(f"{_WORDS.index(word) + 1:02d}" for word in words), "list": "、".join(words),
            "result": "、".join(result), "first": result[0], "last": result[-1],
            "firsts": "、".join(f"「{char}」" for char in firsts), "sorted": "、".join(f"「{word[0]}」" for word in result),
        }  # fmt: skip


def _count_char(rng: Random) -> Iterator[Row]:
    """How often a letter stands in a sentence of kana."""
    sentences = """すももももももものうち|にわにはにわにわとりがいる|なまむぎなまごめなまたまご|となりのきゃくはよくかきくうきゃくだ|うみのむこうのくに
あさひがのぼるあさ|たかいたかいやまのうえ|ゆきのふるよるのえき|かわいいかにがかわにいる|きのうのきのこはきのしたのきのこ|わたしのしたのしたしいひと
いつもいっしょにいるいもうと|このこはどこのこ|はるははなのさくころ|まどのまえのまつのき""".replace("\n", "|").split("|")
    pairs = [
        (number, char) for number, sentence in enumerate(sentences) for char in sorted(set(sentence))
        if sentence.count(char) >= 2 and char not in _SMALL
    ]  # fmt: skip
    rng.shuffle(pairs)
    for number, char in pairs:
        sentence = sentences[number]
        places = [str(place + 1) for place, other in enumerate(sentence) if other == char]
        yield {
            "key": f"{number + 1:02d}-{ord(char):x}", "family": f"{number + 1:02d}", "sentence": sentence, "char": char, "count": str(len(places)),
            "places": "、".join(places),
        }  # fmt: skip


def to_kanji(number: int) -> str:
    """A number below a hundred million in kanji, with 万, as in 三千二百五十万."""
    if number >= 10_000:
        rest = number % 10_000
        return to_kanji(number // 10_000) + "万" + (to_kanji(rest) if rest else "")
    text = ""
    for unit, sign in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // unit % 10
        if digit and (digit > 1 or unit == 1):
            text += _DIGITS[digit] + sign
        elif digit:
            text += sign
    return text


def _kanji_numbers(rng: Random) -> Iterator[Row]:
    while True:
        n = rng.choice(
            [
                rng.randint(11, 99),
                rng.randint(101, 999),
                rng.randint(1001, 9999),
                rng.randint(11, 99) * 10_000 + rng.randint(2, 9) * 1000,
            ]
        )
        parts = []
        for unit, sign in ((10_000, "万"), (1000, "千"), (100, "百"), (10, "十"), (1, "")):
            value = n // 10_000 if unit == 10_000 else n // unit % 10
            if value:
                name = (
                    to_kanji(value) + sign
                    if unit >= 10_000
                    else (_DIGITS[value] if value > 1 or unit == 1 else "") + sign
                )
                parts.append(f"{value * unit}は「{name}」")
        other = n + rng.choice([-1, 1]) * rng.choice([9, 90] if n < 10_000 else [900, 9000])
        if len(parts) > 1 and other > 0:
            yield {
                "key": str(n), "n": str(n), "kanji": to_kanji(n), "parts": "、".join(parts),
                "sum": "+".join(part.partition("は")[0] for part in parts),
                "other": str(other), "bigger": f"「{to_kanji(n)}」" if n > other else str(other),
                "ask": "2,3,5" if n >= 10_000 else "1,2,3,4,5",  # the script guard takes 十二万五千 alone for Chinese

            }  # fmt: skip


TABLES = {
    "letters": _words,
    "letters-en": _english,
    "palindrome": _palindromes,
    "kana-order": _order,
    "count-char": _count_char,
    "kanji-number": _kanji_numbers,
}
