"""Short word lists, written by hand, and how much each word counts as evidence.

Points are added up over a clause; `clauses.py` says how many are needed. A Chinese word is listed only if
Japanese does not write it, or with the neighbours that make it Japanese (是非, 完了, 目的) ruled out.
"""

import re
from functools import cache

from .glyphs import old_forms, old_spelling

# Four points: words that are Chinese on their own, even before a Japanese particle (地址が).
_CHINESE_WORDS = """
    它 很 怎 麼 檔 另 找 嘛 啦 喔 哦 我是 我有 我不 我想 我要 我在 (?<!自)我的 我会 我會 他是 (?<![排利])他的 他在
    那些 那里 那個 那是 這些 這個 這是 不是 不会 不會 不用(?![品意心]) 不到 不知道 不可以 不需要 不應 是不 是否 就是
    也是 都是 而是 或是 只是 若是 於是 也不 也有 也可 也会 也會 也要 也能 只能 只有 只要 可以 没有 沒有 就会 就會
    所有的 其它 其他的 此次 某些 某個 如果 但是 所以 因此 因為 而且 並且 或者 雖然 即使 既然 尽管 除了 除非 然后
    然後 以及 由于 由於 用于 用於 位于 位於 属于 基于 基於 至于 至於 例如 比如 来自 來自 用来 用來 使得 起来 起來
    得到 看到 遇到 收到 直到 想到 做到 之后 之後 以后 最后 后面 后者 之前 之間 之一 此外 另外 首先 任何 一些 一下
    一樣 的時候 (?<![注論])文件(?!数) 信息 数据 地址 打印 (?<![数文英])字符(?!号) 字段 程序 根据 机器 手机 天气 孩子
    今天 明天 昨天 小姐 分享 (?<!方)程式 預設 儲存 憑證 訊息 資訊 資料夾 檔名 用戶 群組 網路 網絡 網站 網頁 視窗
    選單 選項 螢幕 滑鼠 軟體 軟件 硬體 列印 搜尋 登入 登出 下載 上傳 連線 允許 尚未 密碼 帳號 郵件 電腦 電郵 電視
    手機 飛機 喜歡 天氣 為什 為了 認為 成為 設為 視為 稱為 沒問題 (?<!友)好的 住在(?!留) 出生于 圖示 圖片 點選 點擊
    數據 資料庫 伺服器
    """
# Function characters with the Japanese words of the same character ruled out, and words of old Japanese spelling.
_CHINESE_PATTERNS = {
    3: """
        (?<![国社校党如即若彼由])是(?![非正認々空色時枝永川松迄等程又処生]) 无 這 个 一天 版本 格式 朋友 老師 仍
        下來 把(?![握持捉手]) 吃(?![音逆驚水]) (?<![恐一大])喝(?![采破]) 讓(?!位) 無法(?!者|地|松) (?<![将外往])来的
        """,
    2: """
        (?<![完終修満魅投未校議読結])了(?![解承見察然簡知]) 如何 其中
        (?<![自無怪忘彼没唯小大])我(?![国慢流田孫執意欲々等独武聞輩利]) 但(?![馬書]) (?<!形)而(?!立) 正在(?![留庫])
        已(?!然) 此(?![処方岸度君奴花]) (?<![申要下普招懇勧元])請(?![求負願訓託来人書]) 也(?=.) 模式(?![図的])
        (?<![当當])該(?![当當博]) 一直(?!線) (?<=.)于(?=.) 火車 一個(?!人) [从价听厂坏网档气况址] 選擇 選取 檢視
        檢查 顯示 刪除 編輯 變更 新增 關閉 開啟 應用
        """,
    1: """
        (?<=[^目標射端物])的(?![中確外例場屋]) 到(?![着達来底]) (?<![行人有無作当営])為(?![替政書]) 於 將(?![棋軍])
        從 與(?!謝) 對(?!馬) 等等 不能 不需 進行 (?<![共昭平令調緩飽総温大柔中])和(?=[^歌食風解室服])
        被(?![害告保災爆服疑写選扶相用])
        (?<![存現所滞不実点健潜駐自散偏介混内])在(?![庫宅住籍留学職来任京日位世外室野郷米欧独仏英韓中家庁宿勤校席所])
        """,
}

_ENGLISH_CLAUSE_WORDS = """
    is are was were be been am has have had do does did will would can could may might must shall should
    i you he she it we they this that these those there what which who when where why how if because
    not don't doesn't isn't can't won't it's i'm you're let's i'll i've please
    """
_ENGLISH_SMALL_WORDS = """
    the a an of to in on at by for from with and or but as so than then into
    your my his her its our their all any
    """
# A word with the punctuation that may hang on it; anything else (a path, an option, a call) is no evidence.
_ENGLISH_WORD = re.compile(r"[(\[']*([A-Za-z]+(?:'[a-z]+)?)(?:-[A-Za-z]+)*[.,;:!?)\]']*")


@cache
def _english_points() -> dict[str, int]:
    return dict.fromkeys(_ENGLISH_SMALL_WORDS.split(), 1) | dict.fromkeys(_ENGLISH_CLAUSE_WORDS.split(), 3)


@cache
def _chinese_evidence() -> re.Pattern[str]:
    longest_first = sorted(_CHINESE_WORDS.split(), key=len, reverse=True)
    groups = [f"(?P<p4>{'|'.join(longest_first)})"]
    groups += [f"(?P<p{points}>{'|'.join(text.split())})" for points, text in _CHINESE_PATTERNS.items()]
    return re.compile("|".join(groups))


def chinese_points(run: str) -> int:
    """How much the wording of a run of Han characters speaks for Chinese: 0 nothing, 3 and more a lot."""
    points = 0
    for match in _chinese_evidence().finditer(run):
        points += int((match.lastgroup or "p0")[1:])
    points += min(2, 2 * sum(char in old_forms() for char in run))
    if points:  # 國學院, 澤, 瀧: old spelling is as often a name, so it only helps other evidence
        points += min(2, sum(char in old_spelling() for char in run))
    return points


def english_points(chunk: str, first: bool) -> int | None:
    """How much a word speaks for an English clause, or None if the chunk is no word.

    Capitals count only on the `first` word, and little: titles (The Lord of the Rings) are names, not clauses.
    """
    match = _ENGLISH_WORD.fullmatch(chunk.replace("’", "'"))
    if match is None:
        return None
    word = match[1]
    if word.partition("'")[0] == "I":
        word = "i"
    if len(word) == 1 and word not in "aAi":  # a variable
        return None
    points = _english_points()
    return min(1, points.get(word.lower(), 0)) if first else points.get(word, 0)
