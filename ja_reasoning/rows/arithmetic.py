"""Percents, averages, sequences, measures and shopping; all values are whole numbers, but for shares."""

from collections.abc import Iterator
from math import gcd
from random import Random

from ..kinds import Row


def _row(key: str, **values: object) -> Row:
    return {"key": key} | {name: str(value) for name, value in values.items()}


def _percent(rng: Random) -> Iterator[Row]:
    while True:
        price, percent = rng.randint(4, 60) * 100, rng.choice([5, 10, 15, 20, 25, 30, 40, 50])
        one = price // 100
        yield _row(
            f"{price}-{percent}", price=price, percent=percent, one=one, part=one * percent,
            left=price - one * percent, share=f"{percent / 100:g}",
        )  # fmt: skip


def _average(rng: Random) -> Iterator[Row]:
    while True:
        size = rng.choice([3, 4, 5])
        values = [rng.randint(3, 60) for _ in range(size)]
        total = sum(values)
        if total % size == 0:
            yield _row(
                "-".join(map(str, values)), list="、".join(map(str, values)), sum="+".join(map(str, values)),
                total=total, size=size, mean=total // size,
            )  # fmt: skip


def _sequence(rng: Random) -> Iterator[Row]:
    while True:
        first, step = rng.randint(1, 40), rng.randint(2, 12)
        shape = rng.choice("udm")
        if shape == "u":
            values = [first + step * place for place in range(5)]
            rule, last = f"{step}ずつ増えて", f"{values[3]}+{step}={values[4]}"
        elif shape == "d":
            values = [first + step * (5 - place) for place in range(5)]
            rule, last = f"{step}ずつ減って", f"{values[3]}-{step}={values[4]}"
        else:
            start, factor = rng.randint(1, 6), rng.choice([2, 3])
            values = [start * factor**place for place in range(5)]
            rule, last = f"{factor}倍になって", f"{values[3]}×{factor}={values[4]}"
        first_values = "、".join(map(str, values[:4]))
        yield _row(
            "-".join(map(str, values)), list=first_values, rule=rule, last=last, c=values[4],
            one=values[0], two=values[1], three=values[2], four=values[3],
        )  # fmt: skip


def _multiples(rng: Random) -> Iterator[Row]:
    """Greatest common divisors and least common multiples."""
    while True:
        base, one, two = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 9)
        a, b = sorted((base * one, base * two))
        if a == b or b % a == 0 or b > 72:
            continue
        divisor = gcd(a, b)
        least = a * b // divisor
        yield _row(
            f"{a}-{b}", a=a, b=b, divisor=divisor, least=least,
            divisors_a="、".join(str(value) for value in range(1, a + 1) if a % value == 0),
            divisors_b="、".join(str(value) for value in range(1, b + 1) if b % value == 0),
            multiples="、".join(str(value) for value in range(b, least + 1, b)),
        )  # fmt: skip


def _parity(rng: Random) -> Iterator[Row]:
    while True:
        n = rng.randint(11, 999)
        even = n % 2 == 0
        yield _row(
            str(n), n=n, last=n % 10, half=n // 2, kind="偶数" if even else "奇数", other="奇数" if even else "偶数",
            check=f"{n}÷2={n // 2}で割り切れます" if even else f"{n}÷2={n // 2}あまり1で、割り切れません",
            ends="0、2、4、6、8のどれか" if even else "1、3、5、7、9のどれか",
        )  # fmt: skip


def _round(rng: Random) -> Iterator[Row]:
    while True:
        n = rng.randint(1050, 9949)
        unit, place, digit = rng.choice([(10, "十の位", n % 10), (100, "百の位", n // 10 % 10)])
        below = n // unit * unit
        up = digit >= 5
        yield _row(
            f"{n}-{unit}", n=n, place=place, below_place="一の位" if unit == 10 else "十の位", digit=digit,
            c=below + unit if up else below,
            why=f"{digit}は5以上なので切り上げます" if up else f"{digit}は4以下なので切り捨てます",
        )  # fmt: skip


def _speed(rng: Random) -> Iterator[Row]:
    while True:
        speed, hours = rng.choice([4, 5, 12, 15, 40, 50, 60, 80, 90, 120]), rng.randint(2, 8)
        thing = {4: "歩いて", 5: "歩いて", 12: "自転車で", 15: "自転車で"}.get(speed, "自動車で")
        yield _row(f"{speed}-{hours}", speed=speed, hours=hours, way=speed * hours, by=thing)


def _area(rng: Random) -> Iterator[Row]:
    while True:
        a, b = rng.randint(3, 30), rng.randint(3, 12)
        if a > b:
            yield _row(f"{a}-{b}", a=a, b=b, area=a * b, half=a + b, around=2 * (a + b))


def _money(rng: Random) -> Iterator[Row]:
    """What two kinds of goods cost together, and the change."""
    goods = [
        ("りんご", "個"),
        ("ノート", "冊"),
        ("鉛筆", "本"),
        ("切手", "枚"),
        ("パン", "個"),
        ("お茶", "本"),
        ("みかん", "個"),
    ]
    while True:
        (first, unit), (second, other) = rng.sample(goods, 2)
        price, cost = rng.randint(5, 18) * 10, rng.randint(5, 18) * 10
        n, m = rng.randint(2, 5), rng.randint(1, 4)
        total = price * n + cost * m
        paid = next(note for note in (500, 1000, 2000) if note >= total + 10)
        yield _row(
            f"{price}-{n}-{cost}-{m}-{paid}", first=first, unit=unit, second=second, other=other, price=price, cost=cost,
            n=n, m=m, one=price * n, two=cost * m, total=total, paid=paid, change=paid - total,
        )  # fmt: skip


TABLES = {
    "percent": _percent,
    "average": _average,
    "sequence": _sequence,
    "multiples": _multiples,
    "parity": _parity,
    "round": _round,
    "speed": _speed,
    "area": _area,
    "money": _money,
}
