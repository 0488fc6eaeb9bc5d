"""Numbers for stories; what is computed in a story is computed place by place, as the sums are."""

from collections.abc import Iterator
from itertools import count, cycle
from random import Random

from ..kinds import Row
from .digits import add_in_a_clause, add_steps, in_sentences, multiply_steps, subtract_steps

_NAMES = "さくら 健太 美咲 翔太 陽菜 大輝 由美 直樹 葵 拓也 真央 亮 千夏 悠斗 彩花 誠".split()
_DIGITS = "〇一二三四五六七八九"


def _story(rng: Random) -> Iterator[Row]:
    """Numbers for any story: a > b, both of two digits; n and m of one."""
    return _stories(rng, 24)


def _story_in_three(rng: Random) -> Iterator[Row]:
    return _stories(rng, 12)


def _stories(rng: Random, stories: int) -> Iterator[Row]:
    for number, ask in zip(count(1), cycle(range(1, stories + 1)), strict=False):
        b = rng.randint(11, 45)
        # Some stories have n alone: no story gets it twice in seven times.
        a, n, m = b + rng.randint(3, 40), 3 + (number // stories + ask) % 7, rng.randint(3, 9)
        place, other = rng.sample(range(len(_NAMES)), 2)
        dog, bird, child, gap_years = 4 * n, 2 * m, n + 3, m + 23
        values = {
            "ask": ask, "a": a, "b": b, "n": n, "m": m, "plus": a + b, "minus": a - b, "product": n * m, "double": 2 * a,
            "now": a - b + n, "dog": dog, "bird": bird, "legs": dog + bird, "less": n * m - n, "days": 7 * n,
            "both": n + m - 1, "pairs": 2 * n, "n_less": n - 1, "gap": m * (n - 1), "one_less": n * m - 1, "older": b + n,
            "queue": n + m + 1, "people": n + m, "child": child, "gap_years": gap_years, "father": child + gap_years,
            "name": _NAMES[place], "friend": _NAMES[other], "and_n": add_in_a_clause(a - b, n),
        }  # fmt: skip
        sums = {
            "add": _sum("+", a, b), "add_again": _sum("+", b, a), "sub": _sum("-", a, b), "twice": _sum("×", a, 2),
            "add_legs": _sum("+", dog, bird), "add_years": _sum("+", child, gap_years),
            "sub_eaten": _sum("-", n * m, n), "sub_years": _sum("-", b + n, b),
        }  # fmt: skip
        yield _row(f"{ask:02d}-{number:03d}", values, sums)


def _tale(rng: Random) -> Iterator[Row]:
    """Numbers that are smaller or larger than those of the stories: a few things, money, more than a hundred."""
    for number, ask in zip(count(1), cycle(range(1, 15)), strict=False):
        turn = (number - 1) // 14 % 7  # so that no tale is told twice with the same numbers in seven turns
        n, m, tens, teen = 3 + (turn + ask) % 7, rng.randint(2, 9), rng.randint(3, 9), 11 + turn
        many, some, notes = rng.randint(101, 190), rng.randint(12, 95), 50 if turn % 2 else 100
        cost = notes // 2 + 7 * turn // (1 + turn % 2) + rng.randint(1, 3)
        old, young = rng.randint(61, 95), rng.randint(31, 58)
        few = rng.randint(teen - 9, 9)
        values = {
            "ask": ask, "n": n, "m": m, "kanji": _DIGITS[n], "tens": tens, "price": 10 * tens, "bills": tens * n,
            "total": 10 * tens * n, "many": many, "some": some, "more": many + some, "rest": many - some, "teen": teen,
            "few": few, "left": teen - few, "cost": 10 * cost, "coins": cost, "paid": 10 * notes, "notes": notes,
            "change": 10 * (notes - cost), "change_coins": notes - cost, "old": old, "young": young, "gap": old - young,
            "small": n + m, "eight": 8 * n, "four": 4 * n, "six": 6 * n, "product": n * m, "after": some - n + m,
            "gone": some - n, "name": _NAMES[number % len(_NAMES)], "and_m": add_in_a_clause(some - n, m),
        }  # fmt: skip
        sums = {
            "add": _sum("+", many, some), "sub": _sum("-", many, some), "sub_few": _sum("-", teen, few),
            "sub_years": _sum("-", old, young), "sub_coins": _sum("-", notes, cost), "sub_gone": _sum("-", some, n),
        }  # fmt: skip
        yield _row(f"{ask:02d}-{number:03d}", values, sums)


def _sum(sign: str, a: int, b: int) -> dict[str, str]:
    if sign == "+":
        return in_sentences(add_steps(a, b), sign, a, b, a + b)
    if sign == "-":
        return in_sentences(subtract_steps(a, b), sign, a, b, a - b)
    return in_sentences(multiply_steps(a, b), sign, a, b, a * b)


def _row(key: str, values: dict[str, object], sums: dict[str, dict[str, str]]) -> Row:
    said = {name + language: text for name, texts in sums.items() for language, text in texts.items()}
    return {"key": key} | {name: str(value) for name, value in values.items()} | said


TABLES = {"story": _story, "story3": _story_in_three, "tale": _tale}
