"""Dates, weekdays, eras, clocks and time zones; Python's calendar does the counting."""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

from ..kinds import Row

_WEEKDAYS = "月火水木金土日"
_ENGLISH = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_CHINESE = "一二三四五六日"
_DAYS = {1: 31, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}

# The first day of each era, and the year before its first one.
_ERAS = [
    ("明治", date(1868, 10, 23), 1867), ("大正", date(1912, 7, 30), 1911), ("昭和", date(1926, 12, 25), 1925),
    ("平成", date(1989, 1, 8), 1988), ("令和", date(2019, 5, 1), 2018),
]  # fmt: skip

# Hours ahead of UTC in places that do not change their clocks in summer, and in others in winter.
_ZONES = {
    "東京": 9, "ソウル": 9, "北京": 8, "シンガポール": 8, "マニラ": 8, "台北": 8, "バンコク": 7, "ハノイ": 7, "ジャカルタ": 7,
    "ダッカ": 6, "ドバイ": 4, "モスクワ": 3, "ナイロビ": 3, "リヤド": 3, "ホノルル": -10, "ブリスベン": 10, "サンパウロ": -3,
    "冬のロンドン": 0, "冬のパリ": 1, "冬のベルリン": 1, "冬のアテネ": 2, "冬のニューヨーク": -5, "冬のロサンゼルス": -8,
}  # fmt: skip


def _weekday(rng: Random) -> Iterator[Row]:
    while True:
        start, days, back = rng.randrange(7), rng.randint(8, 60), rng.random() < 0.3
        weeks, rest = divmod(days, 7)
        end = (start - days if back else start + days) % 7
        step = "前" if back else "後"
        walk = "→".join(_WEEKDAYS[(start - n if back else start + n) % 7] for n in range(rest + 1))
        yield {
            "key": f"{start + 1}-{days}{'b' if back else 'a'}", "start": _WEEKDAYS[start], "days": str(days),
            "step": step, "weeks": str(weeks), "rest": str(rest), "end": _WEEKDAYS[end], "whole": str(weeks * 7),
            "walk": f"{_WEEKDAYS[start]}曜日から{rest}日{'戻る' if back else '進む'}と{walk}となり、{_WEEKDAYS[end]}曜日です" if rest
            else f"あまりがないので、曜日は同じ{_WEEKDAYS[end]}曜日です",
            "division": f"{days}÷7={weeks}あまり{rest}" if rest else f"{days}÷7={weeks}で割り切れます",
        }  # fmt: skip


def _weekday_in_three(rng: Random) -> Iterator[Row]:
    """The day after and the day before, two and three days on."""
    moves = [
        (1, "明日", "tomorrow", "明天"), (-1, "昨日", "yesterday", "昨天"), (2, "あさって", "the day after tomorrow", "后天"),
        (-2, "おととい", "the day before yesterday", "前天"),
    ]  # fmt: skip
    pairs = [(day, move) for day in range(7) for move in moves]
    rng.shuffle(pairs)
    for day, (by, japanese, english, chinese) in pairs:
        end, far = (day + by) % 7, abs(by)
        between = (day + by // far) % 7
        one = far == 1
        yield {
            "key": f"{day + 1}{'b' if by < 0 else 'a'}{far}", "family": str(day + 1), "start": _WEEKDAYS[day], "end": _WEEKDAYS[end], "when": japanese,
            "start_en": _ENGLISH[day], "end_en": _ENGLISH[end], "when_en": english, "start_zh": _CHINESE[day],
            "end_zh": _CHINESE[end], "when_zh": chinese, "be": "was" if by < 0 else "will be",
            "was_it": "was it" if by < 0 else "will it be", "far_zh": f"往{'前' if by < 0 else '后'}数{'一两'[far - 1]}天",
            "ends": "でしたか" if by < 0 else "ですか", "way": "前" if by < 0 else "後", "far": str(far),
            "walk": f"{_WEEKDAYS[day]}曜日の{'前' if by < 0 else '次'}は{_WEEKDAYS[between]}曜日"
            + ("です" if one else f"、その{'前' if by < 0 else '次'}は{_WEEKDAYS[end]}曜日です"),
            "walk_en": f"The day {'before' if by < 0 else 'after'} {_ENGLISH[day]} is {_ENGLISH[between]}"
            + ("" if one else f", and the day {'before' if by < 0 else 'after'} that is {_ENGLISH[end]}"),
            "walk_zh": f"星期{_CHINESE[day]}的{'前' if by < 0 else '后'}一天是星期{_CHINESE[between]}"
            + ("" if one else f"，再{'前' if by < 0 else '后'}一天是星期{_CHINESE[end]}"),
            "span": f"{'one day' if one else 'two days'} {'back' if by < 0 else 'ahead'}",
        }  # fmt: skip


def _date_after(rng: Random) -> Iterator[Row]:
    """A date some days later, always in the next month, never from February."""
    while True:
        month = rng.choice([number for number in _DAYS if number not in (1, 12)])
        length = _DAYS[month]
        day = rng.randint(length - 12, length)
        days = rng.randint(length - day + 1, length - day + 25)
        left = length - day
        yield {
            "key": f"{month}-{day}-{days}", "month": str(month), "day": str(day), "days": str(days), "left": str(left),
            "length": str(length), "next": str(month + 1), "end": str(days - left), "sum": str(day + days),
        }  # fmt: skip


def _days_between(rng: Random) -> Iterator[Row]:
    while True:
        month = rng.choice([number for number in _DAYS if number != 12])
        day, end = rng.randint(3, _DAYS[month] - 1), rng.randint(1, 25)
        left = _DAYS[month] - day
        yield {
            "key": f"{month}-{day}-{end}", "month": str(month), "day": str(day), "next": str(month + 1),
            "end": str(end), "left": str(left), "length": str(_DAYS[month]), "days": str(left + end),
        }  # fmt: skip


def _leap(rng: Random) -> Iterator[Row]:
    common = [year for year in range(1901, 2100) if year % 4]
    years = [1900, 2000, 2100, 1800, 2200, 2400, *rng.sample(range(1904, 2097, 4), 18), *rng.sample(common, 16)]
    rng.shuffle(years)
    for year in years:
        if year % 4:
            why, leap = f"{year}を4で割ると{year // 4}あまり{year % 4}です。4で割り切れない年は平年です", False
        elif year % 100:
            why, leap = f"{year}は4で割り切れます（{year}÷4={year // 4}）。100では割り切れないので、うるう年です", True
        elif year % 400:
            why, leap = f"{year}は4でも100でも割り切れますが、400では割り切れません。こういう年は例外で平年です", False
        else:
            why, leap = f"{year}は100で割り切れますが、400でも割り切れます。400で割り切れる年はうるう年です", True
        yield {
            "key": str(year), "year": str(year), "why": why, "yes": "はい、うるう年です" if leap else "いいえ、うるう年ではありません",
            "days": "366" if leap else "365", "february": "29" if leap else "28", "kind": "うるう年" if leap else "平年",
        }  # fmt: skip


def _year_name(era: str, number: int) -> str:
    return f"{era}元年" if number == 1 else f"{era}{number}年"


def _era_years(rng: Random) -> Iterator[Row]:
    """Years that lie in one era alone."""
    rows = []
    for place, (era, first, before) in enumerate(_ERAS):
        last = _ERAS[place + 1][1].year - 1 if place + 1 < len(_ERAS) else 2027
        for year in range(first.year + 1, last + 1):
            rows.append((era, year, year - before, before))
    rng.shuffle(rows)
    for era, year, number, before in rows:
        yield {
            "key": str(year), "era": era, "year": str(year), "number": str(number), "before": str(before),
            "first": str(before + 1), "name": _year_name(era, number), "gap": str(number - 1),
        }  # fmt: skip


def _era_days(rng: Random) -> Iterator[Row]:
    """Days around a change of era; the first day itself only where the old era had ended the day before."""
    rows = []
    for place in (1, 2, 3, 4):
        era, first, before = _ERAS[place]
        old, _, old_before = _ERAS[place - 1]
        offsets = [-40, -15, -7, -2, -1, 1, 3, 10, 25, 60, *([0] if place > 2 else [])]
        for offset in offsets:
            day = first + timedelta(days=offset)
            new = day >= first
            name = _year_name(era if new else old, day.year - (before if new else old_before))
            change = f"{era}は{first.year}年{first.month}月{first.day}日に始まりました"
            old_name = _year_name(old, first.year - old_before)
            rows.append(
                {
                    "key": day.isoformat(), "date": f"{day.year}年{day.month}月{day.day}日", "era": era if new else old,
                    "name": name, "change": change, "new": era, "old": old, "other": old if new else era,
                    "where": "始まりの日" if offset == 0 else "そのあと" if new else "その前",
                    "then": f"{day.year}年の{era}は{name}です" if new and day.year == first.year
                    else f"{day.year}-{before}={day.year - before}なので{name}です" if new
                    else f"まだ{old}で、{day.year}-{old_before}={day.year - old_before}なので{name}です",
                    "last": name if day.year == first.year else f"{day.year}-{before}={day.year - before}で{name}",
                    "already": f"はい、もう{name}でした" if new else f"いいえ、まだ{name}でした",
                    "both": f"{first.year}年は、変わる前が{old_name}、変わったあとが{era}元年です",
                }
            )  # fmt: skip
    rng.shuffle(rows)
    yield from rows


def _clock(rng: Random) -> Iterator[Row]:
    while True:
        hour, minute, span = rng.randint(6, 19), rng.randrange(5, 60, 5), rng.randrange(20, 180, 5)
        end = hour * 60 + minute + span
        to_hour = 60 - minute
        if span <= to_hour:
            continue
        rest = span - to_hour
        steps = f"{hour}時{minute}分から{hour + 1}時までが{to_hour}分"
        hours, minutes = divmod(span, 60)
        yield {
            "key": f"{hour}-{minute}-{span}", "start": f"{hour}時{minute}分", "span": str(span), "steps": steps,
            "rest": str(rest), "to_hour": str(to_hour), "next": f"{hour + 1}時",
            "end": f"{end // 60}時{end % 60}分" if end % 60 else f"{end // 60}時",
            "how_long": (f"{hours}時間" if hours else "") + (f"{minutes}分" if minutes else ""),
        }  # fmt: skip


def _zones(rng: Random) -> Iterator[Row]:
    while True:
        first, second = rng.sample(sorted(_ZONES), 2)
        gap = _ZONES[second] - _ZONES[first]
        hour = rng.randint(7, 22)
        there = hour + gap
        if gap == 0 or abs(gap) > 15:
            continue
        day = "前日の" if there < 0 else "翌日の" if there >= 24 else "同じ日の"
        sign = "+" if gap > 0 else "-"
        add = f"{hour}{sign}{abs(gap)}={there}"
        if there < 0:
            add += f"で、0時より前なので24を足して前日の{there + 24}時"
        elif there >= 24:
            add += f"で、24時を過ぎるので24を引いて翌日の{there - 24}時"
        yield {
            "key": f"{hour}-{_ZONES[first] + 12}-{sorted(_ZONES).index(first) + 1}-{sorted(_ZONES).index(second) + 1}",
            "first": first, "second": second, "hour": str(hour), "there": f"{day}{there % 24}時",
            "gap": str(abs(gap)), "fast": "進んで" if gap > 0 else "遅れて", "add": add,
            "utc_first": _utc(_ZONES[first]), "utc_second": _utc(_ZONES[second]),
        }  # fmt: skip


def _utc(hours: int) -> str:
    if hours == 0:
        return "協定世界時と同じ"
    return f"協定世界時より{abs(hours)}時間{'進んだ' if hours > 0 else '遅れた'}時刻"


TABLES = {
    "weekday": _weekday,
    "weekday3": _weekday_in_three,
    "date-after": _date_after,
    "days-between": _days_between,
    "leap": _leap,
    "era-year": _era_years,
    "era-day": _era_days,
    "clock": _clock,
    "zone": _zones,
}
