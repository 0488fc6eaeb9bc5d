"""Sums place by place, as in writing: each step is a fact of single digits, and every carry is said.

Each row has its steps in Japanese, in English (`_en`) and in Chinese (`_zh`), without the full stop.
"""

from collections.abc import Iterator
from random import Random

from ..kinds import Row

_WIDE = str.maketrans("0123456789", "０１２３４５６７８９")


def add_steps(a: int, b: int) -> dict[str, str]:
    """Ones and tens of a + b; the tens may be two digits, as those of a hundred are."""
    ones = a % 10 + b % 10
    term, carry = f"{a % 10}+{b % 10}={ones}", ones >= 10
    return {
        "ones": f"一の位は{term}で、十の位に1繰り上がります" if carry else f"一の位は{term}です",
        "ones_en": f"The ones are {_spaced(term)}" + (", so carry 1" if carry else ""),
        "ones_zh": f"个位：{term}" + ("，向十位进1" if carry else ""),
        **_tens([a // 10, b // 10, int(carry)], "+", a),
    }


def subtract_steps(a: int, b: int) -> dict[str, str]:
    """Ones and tens of a - b, where b is below a hundred and below a."""
    top, bottom = a % 10, b % 10
    borrow = top < bottom
    term = f"{top + 10 * borrow}-{bottom}={top + 10 * borrow - bottom}"
    return {
        "ones": f"一の位は{top}から{bottom}を引けないので、十の位から1借りて{term}です"
        if borrow
        else f"一の位は{term}です",
        "ones_en": (f"{top} is less than {bottom}, so borrow 1: " if borrow else "The ones are ") + _spaced(term),
        "ones_zh": f"个位：{top}不够减{bottom}，从十位借1，{term}" if borrow else f"个位：{term}",
        **_tens([a // 10, int(borrow), b // 10], "-", a),
    }


def multiply_steps(a: int, b: int) -> dict[str, str]:
    """Ones and tens of a × b, where a is of two digits and b of one."""
    ones, tens = a % 10 * b, a // 10 * b
    carry, term, times = ones // 10, f"{a % 10}×{b}={ones}", f"{a // 10}×{b}={tens}"
    total = f"{tens}+{carry}={tens + carry}"
    return {
        "ones": f"一の位は{term}で、十の位に{carry}繰り上がります" if carry else f"一の位は{term}です",
        "ones_en": f"The ones are {_spaced(term)}" + (f", so carry {carry}" if carry else ""),
        "ones_zh": f"个位：{term}" + (f"，向十位进{carry}" if carry else ""),
        "tens": f"十の位は{times}、繰り上がりを足して{total}です" if carry else f"十の位は{times}です",
        "tens_en": f"The tens are {_spaced(times)}" + (f", and {_spaced(total)}" if carry else ""),
        "tens_zh": f"十位：{times}" + (f"，{total}" if carry else ""),
    }


def _tens(values: list[int], sign: str, a: int) -> dict[str, str]:
    """The step of the tens; what is 0 is not said, and of a hundred and more they are more than a place."""
    first, *others = values
    said = [str(first), *(str(value) for value in others if value)]
    result = first + sum(others) if sign == "+" else first - sum(others)
    term = f"{sign.join(said)}={result}"
    name = "十の位から上" if a >= 100 else "十の位"
    if len(said) == 1:
        return {
            "tens": f"{name}は{first}のままです",
            "tens_en": f"The tens stay {first}",
            "tens_zh": f"十位仍是{first}",
        }
    return {"tens": f"{name}は{term}です", "tens_en": f"The tens are {_spaced(term)}", "tens_zh": f"十位：{term}"}


def _spaced(term: str) -> str:
    for sign in "+-×=":
        term = term.replace(sign, f" {sign} ")
    return term


def _row(a: int, b: int, c: int, steps: dict[str, str]) -> Row:
    wide = {"wide_a": str(a).translate(_WIDE), "wide_b": str(b).translate(_WIDE)}
    return {"key": f"{a}-{b}", "a": str(a), "b": str(b), "c": str(c), **wide, **steps}


def _add(rng: Random) -> Iterator[Row]:
    while True:
        a, b = rng.randint(11, 99), rng.randint(3, 99)
        yield _row(a, b, a + b, add_steps(a, b))


def _subtract(rng: Random) -> Iterator[Row]:
    while True:
        a, b = rng.randint(21, 180), rng.randint(3, 99)
        if a > b + 2:
            yield _row(a, b, a - b, subtract_steps(a, b))


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
        yield {
            "key": f"{a}-{b}",
            "a": str(a),
            "b": str(b),
            "c": str(a * b),
            "before": str(b - 1),
            "less": str(a * b - a),
        }


def _divide(rng: Random) -> Iterator[Row]:
    """What leaves nothing, dividends of two digits: by the table, or tens first."""
    pairs = [(b * c, b) for b in range(2, 10) for c in range(2, 99 // b + 1)]
    rng.shuffle(pairs)
    for a, b in pairs:
        c, (tens, rest) = a // b, divmod(a // 10, b)
        if c < 10:
            steps = f"{b}の段で{a}になるのは{b}×{c}={a}です"
        elif rest:
            steps = (
                f"十の位は{a // 10}÷{b}={tens}あまり{rest}です。"
                f"あまりの{rest}と一の位の{a % 10}を合わせて{rest}{a % 10}、{rest}{a % 10}÷{b}={c % 10}です"
            )
        else:
            steps = f"十の位は{a // 10}÷{b}={tens}です。一の位は{a % 10}÷{b}={c % 10}です"
        yield _row(a, b, c, {"steps": steps})


def _remainder(rng: Random) -> Iterator[Row]:
    pairs = [(b * c + rest, b, c, rest) for b in range(2, 10) for c in range(2, 10) for rest in range(1, b)]
    rng.shuffle(pairs)
    for a, b, c, rest in pairs:
        yield _row(a, b, c, {"rest": str(rest), "product": str(b * c), "next": str(b * c + b)})


def _mixed(rng: Random) -> Iterator[Row]:
    """Three numbers, where the order of the operations counts."""
    while True:
        a, b, c = rng.randint(11, 60), rng.randint(2, 9), rng.randint(2, 9)
        shape = rng.randrange(4)
        if shape == 0:
            term, first, then, value = f"{a}+{b}×{c}", f"{b}×{c}={b * c}", f"{a}+{b * c}", a + b * c
            why, steps = "かけ算は足し算より先に計算します", add_steps(a, b * c)
        elif shape == 1 and a > b * c:
            term, first, then, value = f"{a}-{b}×{c}", f"{b}×{c}={b * c}", f"{a}-{b * c}", a - b * c
            why, steps = "かけ算は引き算より先に計算します", subtract_steps(a, b * c)
        elif shape == 2 and a < 40:
            term, first, then, value = f"({a}+{b})×{c}", f"{a}+{b}={a + b}", f"{a + b}×{c}", (a + b) * c
            why, steps = "かっこの中を先に計算します", multiply_steps(a + b, c)
        elif shape == 3:
            term, first, then, value = f"{a}+{b * c}÷{b}", f"{b * c}÷{b}={c}", f"{a}+{c}", a + c
            why, steps = "割り算は足し算より先に計算します", add_steps(a, c)
        else:
            continue
        yield {
            "key": term.translate(str.maketrans("()×÷+-", "__xdam")), "term": term, "first": first,
            "then": f"{then}={value}", "why": why, "c": str(value), **steps,
        }  # fmt: skip


TABLES = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "table": _table,
    "divide": _divide,
    "remainder": _remainder,
    "mixed": _mixed,
}
