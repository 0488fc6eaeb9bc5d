"""Sums place by place, as in writing, each step a fact of single digits about what was just said.

Both numbers are first taken apart; before a step is computed, what decides about it is said: which digit is less, or
whether ten is reached. Each row has its steps in Japanese, in English (`_en`) and in Chinese (`_zh`), without the full
stop.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from random import Random

from ..kinds import Row
from .division import divide_in_a_clause, divide_steps

_WIDE = str.maketrans("0123456789", "０１２３４５６７８９")

_HALVES, _ANY_DIVISOR = (",".join(map(str, range(1, last + 1))) for last in (12, 10))  # the questions of a division

Pair = tuple[int, int]


def add_steps(a: int, b: int) -> dict[str, str]:
    """Ones and tens of a + b, both below 200 and b below 100; the tens may be two digits, as those of a hundred are."""
    ones, tens = a % 10 + b % 10, a // 10 + b // 10
    carry = ones >= 10
    term, above, total = f"{a % 10}+{b % 10}={ones}", f"{a // 10}+{b // 10}={tens}", f"{tens}+1={tens + 1}"
    return {
        **_apart(a, b),
        "ones": f"一の位は{term}、"
        + (
            f"{ones}は10以上なので十の位に1繰り上がります"
            if carry
            else f"{ones}は10より小さいので繰り上がりはありません"
        ),
        "ones_en": f"The ones are {spaced(term)}, which is "
        + ("10 or more, so carry 1" if carry else "less than 10, so nothing is carried"),
        "ones_zh": f"个位：{term}，" + (f"{ones}满10，向十位进1" if carry else f"{ones}不满10，不进位"),
        "tens": f"{_tens_name(a)}は{above}、"
        + (f"繰り上がりの1を足して{total}です" if carry else f"繰り上がりがないので{tens}のままです"),
        "tens_en": f"The tens are {spaced(above)}, "
        + (f"and with the 1 carried {spaced(total)}" if carry else "with nothing carried"),
        "tens_zh": f"十位：{above}，" + (f"加上进的1，{total}" if carry else f"没有进位，仍是{tens}"),
        **together(tens + carry, ones % 10),
    }


def subtract_steps(a: int, b: int) -> dict[str, str]:
    """Ones and tens of a - b, where b is below a hundred and not above a."""
    top, bottom, tens = a % 10, b % 10, a // 10
    borrow = top < bottom
    term = f"{top + 10 * borrow}-{bottom}={top + 10 * borrow - bottom}"
    lent, above = f"{tens}-1={tens - 1}", f"{tens - borrow}-{b // 10}={tens - borrow - b // 10}"
    return {
        **_apart(a, b),
        **_compared(top, bottom, term),
        "tens": f"{_tens_name(a)}は"
        + (f"1貸したので{lent}、" if borrow else f"貸していないので{tens}のまま、")
        + f"{above}です",
        "tens_en": (
            f"The tens lent 1, which leaves {spaced(lent)}" if borrow else f"The tens lent nothing and stay {tens}"
        )
        + f", and {spaced(above)}",
        "tens_zh": "十位：" + (f"借走了1，{lent}，" if borrow else f"没有借走，仍是{tens}，") + above,
        **together(tens - borrow - b // 10, (top - bottom) % 10),
    }


def _compared(top: int, bottom: int, term: str) -> dict[str, str]:
    """The step of the ones of a difference: which digit is less, and what follows."""
    if top < bottom:
        return {
            "ones": f"一の位は{top}と{bottom}を比べると{top}のほうが小さいので、十の位から1借りて{term}です",
            "ones_en": f"Of the ones {top} and {bottom}, {top} is less, so borrow 1 from the tens: {spaced(term)}",
            "ones_zh": f"个位：{top}和{bottom}相比，{top}小，从十位借1，{term}",
        }
    same = top == bottom
    return {
        "ones": f"一の位は{top}と{bottom}を比べると{'同じ' if same else f'{top}のほうが大きい'}{'な' if same else ''}ので、そのまま{term}です",
        "ones_en": f"Of the ones {top} and {bottom}, "
        + ("neither is less" if same else f"{top} is greater")
        + f", so take them as they are: {spaced(term)}",
        "ones_zh": f"个位：{top}和{bottom}相比，" + ("一样大" if same else f"{top}大") + f"，直接{term}",
    }


def _apart(a: int, b: int) -> dict[str, str]:
    """Both numbers taken apart, also where there are no tens: what is written is not guessed."""
    return {
        "apart": "、".join(f"{n}は10が{n // 10}個と1が{n % 10}個" for n in (a, b)) + "です",
        "apart_en": " and ".join(f"{n} is {_counted(n // 10, 'ten')} and {_counted(n % 10, 'one')}," for n in (a, b))[
            :-1
        ],
        "apart_zh": "，".join(f"{n}是{n // 10}个十和{n % 10}个一" for n in (a, b)),
    }


def together(tens: int, ones: int) -> dict[str, str]:
    """The places put together to the number they make."""
    number = 10 * tens + ones
    return {
        "done": f"10が{tens}個と1が{ones}個で{number}",
        "done_en": f"{_counted(tens, 'ten')} and {_counted(ones, 'one')} make {number}",
        "done_zh": f"{tens}个十和{ones}个一是{number}",
    }


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


def _tens_name(a: int) -> str:
    return "十の位から上" if a >= 100 else "十の位"


def multiply_steps(a: int, b: int) -> dict[str, str]:
    """Ones and tens of a × b, where a is of two digits and b of one."""
    ones, tens = a % 10 * b, a // 10 * b
    carry, term, times = ones // 10, f"{a % 10}×{b}={ones}", f"{a // 10}×{b}={tens}"
    total = f"{tens}+{carry}={tens + carry}"
    return {
        "ones": f"一の位は{term}で、十の位に{carry}繰り上がります" if carry else f"一の位は{term}です",
        "ones_en": f"The ones are {spaced(term)}" + (f", so carry {carry}" if carry else ""),
        "ones_zh": f"个位：{term}" + (f"，向十位进{carry}" if carry else ""),
        "tens": f"十の位は{times}、繰り上がりを足して{total}です" if carry else f"十の位は{times}です",
        "tens_en": f"The tens are {spaced(times)}" + (f", and {spaced(total)}" if carry else ""),
        "tens_zh": f"十位：{times}" + (f"，{total}" if carry else ""),
    }


def spaced(term: str) -> str:
    """A term as it is set in English."""
    for sign in "+-×÷=":
        term = term.replace(sign, f" {sign} ")
    return term


def _row(a: int, b: int, c: int, steps: dict[str, str]) -> Row:
    wide = {"wide_a": str(a).translate(_WIDE), "wide_b": str(b).translate(_WIDE)}
    return {"key": f"{a}-{b}", "a": str(a), "b": str(b), "c": str(c), **wide, **steps}


def add_in_a_clause(a: int, b: int) -> str:
    """a + b in one sentence."""
    ones, tens = a % 10 + b % 10, a // 10 + b // 10
    if not tens:
        return f"{a}+{b}={a + b}です"
    above = f"{a // 10}+{b // 10}={tens}"
    carried = f"{ones}は10以上なので1繰り上がって、十の位が{above}、{tens}+1={tens + 1}"
    kept = f"{ones}は10より小さいので、十の位が{above}のまま"
    steps = f"一の位が{a % 10}+{b % 10}={ones}、{carried if ones >= 10 else kept}"
    return f"{a}+{b}は、{steps}、{together(*divmod(a + b, 10))['done']}なので{a}+{b}={a + b}です"


def in_sentences(steps: dict[str, str], sign: str, a: int, b: int, c: int) -> dict[str, str]:
    """The steps of a sum in three languages, and the equation they lead to, for the middle of a reasoning."""
    equation = f"{a}{sign}{b}={c}"
    names = [name for name in ("apart", "ones", "tens") if name in steps]
    done = f"{steps['done']}、" if "done" in steps else ""
    done_en = f"{steps['done_en']}, so " if "done" in steps else "So "
    done_zh = f"{steps['done_zh']}，" if "done" in steps else ""
    return {
        "": "。".join([*(steps[name] for name in names), done + equation]),
        "_en": ". ".join([*(steps[f"{name}_en"] for name in names), done_en + spaced(equation)]),
        "_zh": "。".join([*(steps[f"{name}_zh"] for name in names), done_zh + equation]),
    }


def _add(rng: Random) -> Iterator[Row]:
    """Any two numbers, and then those whose pair of ones is rarest."""
    pairs = _distinct(420, lambda: (rng.randint(11, 99), rng.randint(3, 99)))
    for a, b in pairs:
        yield _row(a, b, a + b, add_steps(a, b))
    for first, second in _rarest_ones(rng, pairs, lambda *_: 1):
        above, below = rng.choice([(range(10), range(10)), (range(10), range(1)), (range(10, 20), range(10))])
        a, b = 10 * rng.choice(above) + first, 10 * rng.choice(below) + second
        if min(a, b) > 1:
            yield _row(a, b, a + b, add_steps(a, b))


def _subtract(rng: Random) -> Iterator[Row]:
    """Any two numbers, and then those whose pair of ones is rarest; it is wanted twice as often with a borrow."""

    def any_two() -> Pair:
        while (a := rng.randint(21, 180)) <= (b := rng.randint(3, 99)) + 2:
            pass
        return a, b

    pairs = _distinct(400, any_two)
    for a, b in pairs:
        yield _row(a, b, a - b, subtract_steps(a, b))
    for top, bottom in _rarest_ones(rng, pairs, lambda top, bottom: 2 if top < bottom else 1):
        tens = rng.randint(10, 20) if rng.random() < 0.3 else rng.randint(1, 9)
        most = min(9, tens - (top < bottom))
        a, b = 10 * tens + top, 10 * rng.choice([0, rng.randint(0, most), rng.randint(0, most)]) + bottom
        if 1 < b < a:
            yield _row(a, b, a - b, subtract_steps(a, b))


def _add_three(rng: Random) -> Iterator[Row]:
    while True:
        a, b, c = (rng.randint(3, 40) for _ in range(3))
        first, second = add_in_a_clause(a, b), add_in_a_clause(a + b, c)
        yield {
            "key": f"{a}-{b}-{c}", "a": str(a), "b": str(b), "d": str(c), "c": str(a + b + c),
            "first": first, "second": second,
        }  # fmt: skip


def _distinct(count: int, draw: Callable[[], Pair]) -> list[Pair]:
    """So many pairs, none twice, in the order they were drawn in."""
    pairs: dict[Pair, None] = {}
    while len(pairs) < count:
        pairs[draw()] = None
    return list(pairs)


def _rarest_ones(rng: Random, pairs: list[Pair], weight: Callable[[int, int], int]) -> Iterator[Pair]:
    """Pairs of ones without end, each time one of those that are rarest for their weight."""
    times = Counter((a % 10, b % 10) for a, b in pairs)
    digits = [*product(range(10), range(10))]
    while True:
        rng.shuffle(digits)
        chosen = min(digits, key=lambda ones: times[ones] / weight(*ones))
        times[chosen] += 1
        yield chosen


def _multiply(rng: Random) -> Iterator[Row]:
    while True:
        a, b = rng.randint(11, 99), rng.randint(2, 9)
        if a % 10:
            yield _row(a, b, a * b, multiply_steps(a, b))


def _table(rng: Random) -> Iterator[Row]:
    """The multiplication table: one step from the line above."""
    pairs = [(a, b) for a in range(2, 10) for b in range(2, 10)]
    rng.shuffle(pairs)
    for a, b in pairs:
        yield _row(a, b, a * b, {"before": str(b - 1), "less": str(a * b - a)})


def _divide(rng: Random) -> Iterator[Row]:
    """What leaves nothing, dividends of two digits: by the table, or tens first."""
    pairs = [(b * c, b) for b in range(2, 10) for c in range(2, 99 // b + 1)]
    rng.shuffle(pairs)
    for a, b in pairs:
        c = a // b
        end = together(*divmod(c, 10))["done"] + "、" if c > 9 else ""
        yield _row(a, b, c, {"steps": divide_steps(a, b), "end": end, "ask": _HALVES if b == 2 else _ANY_DIVISOR})


def _remainder(rng: Random) -> Iterator[Row]:
    pairs = [(b * c + rest, b, c, rest) for b in range(2, 10) for c in range(2, 10) for rest in range(1, b)]
    rng.shuffle(pairs)
    for a, b, c, rest in pairs:
        yield _row(a, b, c, {"rest": str(rest), "steps": divide_steps(a, b)})


def _mixed(rng: Random) -> Iterator[Row]:
    """Three numbers, where the order of the operations counts."""
    while True:
        a, b, c = rng.randint(11, 60), rng.randint(2, 9), rng.randint(2, 9)
        shape = rng.randrange(4)
        if shape == 0:
            term, first, then, value = f"{a}+{b}×{c}", f"{b}×{c}={b * c}です", f"{a}+{b * c}", a + b * c
            why, steps = "かけ算は足し算より先に計算します", add_steps(a, b * c)
        elif shape == 1 and a > b * c:
            term, first, then, value = f"{a}-{b}×{c}", f"{b}×{c}={b * c}です", f"{a}-{b * c}", a - b * c
            why, steps = "かけ算は引き算より先に計算します", subtract_steps(a, b * c)
        elif shape == 2 and a < 40:
            term, first, then, value = f"({a}+{b})×{c}", add_in_a_clause(a, b), f"{a + b}×{c}", (a + b) * c
            why, steps = "かっこの中を先に計算します", multiply_steps(a + b, c)
            steps["ones"] = f"{a + b}×{c}の{steps['ones']}"
        elif shape == 3:
            term, first, then, value = f"{a}+{b * c}÷{b}", divide_in_a_clause(b * c, b), f"{a}+{c}", a + c
            why, steps = "割り算は足し算より先に計算します", add_steps(a, c)
        else:
            continue
        said = [steps[name] for name in ("apart", "ones", "tens") if name in steps]
        yield {
            "key": term.translate(str.maketrans("()×÷+-", "__xdam")), "term": term, "first": first, "why": why,
            "c": str(value), "steps": "。".join(said), "end": f"{steps['done']}、" if "done" in steps else "",
            "then": f"{then}={value}",
        }  # fmt: skip


TABLES = {
    "add": _add,
    "add3": _add_three,
    "subtract": _subtract,
    "multiply": _multiply,
    "table": _table,
    "divide": _divide,
    "remainder": _remainder,
    "mixed": _mixed,
}
