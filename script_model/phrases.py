"""Random Japanese words and phrases: what vocabulary alone, without a corpus, can show of the language."""

import random
from collections.abc import Mapping
from itertools import accumulate

import opencc

from .letters import HAN, HAN_RUN, KANA, count_han
from .lexicon import Lexicon

_split = str.split
_PREFIXES = _split("""
    不 非 無 再 新 旧 各 同 全 約 第 前 後 最 次 副 大 小 高 低 未 超 総 現 元 当 本 両 某 諸 東 西 南 北 中央 国立
    県立 市立 私立 株式会社 医療法人 社会福祉法人 学校法人 財団法人 特定非営利活動法人
""")
_SUFFIXES = _split("""
    的 性 化 者 数 型 式 用 色 学 部 員 名 値 子 形 中 内 外 上 下 前 後 間 時 用語 機能 設定 処理 方法 方式 関係
    問題 情報 装置 資料 地区 地方 団体 会社 会議 委員会 協会 研究所 株式会社 有限会社 出版社 製作所 工業 商店 医院
    病院 大学 大学院 高校 高等学校 中学校 小学校 幼稚園 支店 本社 営業所 事務所 郵便局 銀行 空港 駅 線 号 法 条約
    制度 政策 政府 大臣 首相 大統領 選手 先生 教授 様 氏 君 殿
""")
_AFTER_PLACES = _split("""
    市 県 省 州 区 町 村 郡 島 山 川 湖 港 地区 地方 半島 諸島 北部 南部 自治区 特別市 広域市 東 西 南 北 東部
    共和国 王国 連邦 人民共和国 民主共和国 語 人 文字 民族 平原 盆地 運河 海 湾 海峡 丁目 番地 大字 字
""")
_COUNTERS = _split("""
    章 条 節 項 号 回 話 巻 期 次 位 番 番目 年 月 日 時 分 秒 人 名 個 本 枚 匹 頭 羽 台 冊 杯 件 階 歳 才 円 度 倍
    歩 脚 株 句 首 艘 丁 膳 着 足 軒 棟 曲 滴 粒 束 袋 箱 缶 皿 切 票 問 局 試合 得点 世紀 週間 週 ヶ月 箇所 か所
    種類 世帯 丁目 番地 号室 級 点 組 列 行 文字 部 割 学年 年度 年生 世代 兄弟 姉妹 人組 通り 段階 都市 国 県
    グラム センチ キロ
""")
_BEFORE_NUMBERS = [*_split("第 第 約 全 各 毎 平成 令和 昭和 築 計 兄弟 男性 女性"), *[""] * 6]
_AFTER_NUMBERS = [*_split("間 以上 以下 未満 後 前 目 分 春 秋"), *[""] * 4]
_DIGITS = "〇一二三四五六七八九"
_UNITS = ((1000, "千"), (100, "百"), (10, "十"), (1, ""))


class WordList:
    """Words to draw from by weight."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._words = list(weights)
        self._bounds = list(accumulate(weights.values()))

    def draw(self, rng: random.Random) -> str:
        return rng.choices(self._words, cum_weights=self._bounds)[0]


class Phrases:
    """Draws Japanese; frequencies count by their square root, so that rare words are seen too."""

    def __init__(self, lexicon: Lexicon, rng: random.Random) -> None:
        self._rng = rng
        self._old_spelling = opencc.OpenCC("jp2t")
        words = lexicon.japanese

        def by_frequency(chosen: list[str], least: float) -> WordList:
            return WordList({word: min(1.0, max(least, words[word])) ** 0.5 for word in chosen})

        nouns = {
            word: lexicon.japanese_frequency(word) ** 0.5 for word in words if len(word) > 1 and HAN_RUN.fullmatch(word)
        }
        verbs = [word for word in words if HAN.match(word) and KANA.match(word[-1]) and count_han(word) <= 2]
        self._any = by_frequency(list(words), least=1e-4)
        self._nouns = WordList(nouns)
        self._adverbs = WordList({word: weight for word, weight in nouns.items() if word in lexicon.adverbs})
        self._verbs = by_frequency(verbs, least=1e-5)  # and adjectives
        self._places = by_frequency(lexicon.places, least=1e-3)

    def word(self) -> str:
        """A word with kanji in it."""
        return self._any.draw(self._rng)

    def kanji(self) -> str:
        """A word of kanji alone."""
        return self._nouns.draw(self._rng)

    def noun(self) -> str:
        """A compound: with a prefix or a suffix, a place, a number, or a single word."""
        rng = self._rng
        if rng.random() < 0.08:
            return self._number() + (self.kanji() if rng.random() < 0.4 else "")
        form = rng.random()
        if form < 0.25:
            return self.kanji()
        if form < 0.5:
            return self.kanji() + rng.choice(_SUFFIXES)
        if form < 0.6:
            return rng.choice(_PREFIXES) + self.kanji()
        if form < 0.7:
            return rng.choice(_PREFIXES) + self.kanji() + rng.choice(_SUFFIXES)
        place = self._places.draw(rng)
        if form < 0.85:
            return place + rng.choice(_AFTER_PLACES) + self._sometimes(0.2, _AFTER_PLACES + _SUFFIXES)
        return place + self.kanji() + self._sometimes(0.5, _SUFFIXES)

    def phrase(self) -> str:
        """Two words of which one is a verb, without a particle between them: 全部足す, 三回走る."""
        form, verb = self._rng.random(), self._verbs.draw(self._rng)
        if form < 0.4:
            return self._adverbs.draw(self._rng) + verb
        if form < 0.7:
            return self.noun() + verb
        if form < 0.85:
            return self._number() + verb
        return verb + self.noun()

    def in_old_spelling(self, text: str, share: float = 1.0) -> str:
        """With a share of its kanji in the forms of before 1946, where each is one for one."""
        old = self._old_spelling.convert(text)
        if len(old) != len(text):
            return text
        return "".join(b if share == 1 or self._rng.random() < share else a for a, b in zip(text, old, strict=True))

    def _sometimes(self, chance: float, words: list[str]) -> str:
        return self._rng.choice(words) if self._rng.random() < chance else ""

    def _number(self) -> str:
        """With what is counted: 第三章, 約二十五人以上."""
        rng = self._rng
        return rng.choice(_BEFORE_NUMBERS) + self._numeral() + rng.choice(_COUNTERS) + rng.choice(_AFTER_NUMBERS)

    def _numeral(self) -> str:
        rng = self._rng
        number, form = int(10 ** rng.uniform(0, 4)), rng.random()
        if form < 0.12:
            return str(number)
        if form < 0.2:
            return "".join(_DIGITS[int(digit)] for digit in str(number))
        if 0.28 <= form < 0.33:
            return rng.choice(["数", "何", "幾", "数十", "数百"])
        digits = [(number // value % 10, unit) for value, unit in _UNITS]
        text = "".join(("" if digit == 1 and unit else _DIGITS[digit]) + unit for digit, unit in digits if digit)
        return text + (rng.choice(["万", "億", "点五", "割"]) if form < 0.28 else "")
