"""Division by the multiplication table: line after line is held against the dividend until one reaches it."""


def divide_steps(a: int, b: int) -> str:
    """The sentences, without the last full stop, that lead to a ÷ b and its rest, where a is below a hundred.

    A quotient of two digits has to leave no rest.
    """
    tens, ones = divmod(a, 10)
    if not tens:
        return f"{a}は一桁なので、そのまま{b}の段で調べます。{_quotient(a, b)}"
    if tens < b:
        return f"十の位の{tens}と{b}を比べると{tens}のほうが小さいので、{a}のまま{b}の段で調べます。{_quotient(a, b)}"
    first, rest = divmod(tens, b)
    compared = "同じな" if tens == b else f"{tens}のほうが大きい"
    if rest:
        down = f"残りの{rest}と一の位の{ones}を合わせて{rest}{ones}です。{_quotient(10 * rest + ones, b)}"
    elif ones:
        down = f"残りがないので、次は一の位の{ones}だけを割ります。{_quotient(ones, b)}"
    else:
        down = "残りがなく一の位も0なので、一の位の商は0です"
    return (
        f"十の位の{tens}と{b}を比べると{compared}ので、十の位から割ります。"
        f"十の位は{_lines(tens, b)}ので商は{first}、残りは{tens}-{b * first}={rest}です。{down}"
    )


def divide_in_a_clause(a: int, b: int) -> str:
    """The lines of the table up to a, which b divides at most nine times."""
    return f"{a}÷{b}は、{_lines(a, b)}ので{a}÷{b}={a // b}です"


def _quotient(n: int, b: int) -> str:
    """Up to which line of the table, and what rests; the line in the middle says from where to look."""
    half = 5 * b
    compared = f"{b}×5={half}と{n}を比べると"
    if n == half:
        return f"{compared}同じです"
    count, rest = divmod(n, b)
    if n > half:
        said = f"{compared}{n}のほうが大きいので、その先を調べると、{_lines(n, b, 6)}"
    else:
        said = f"{compared}{n}のほうが小さいので、初めから調べると、{_lines(n, b)}"
    if not rest:
        return said.removesuffix("な") + "です"
    return (
        f"{said.removesuffix('る')}ます。{n}より小さくて一番近いのは{b}×{count}={b * count}です。{_rest(n, b * count)}"
    )


def _lines(n: int, b: int, start: int = 1) -> str:
    """The lines from b × start on, up to the first that reaches n; ends in the plain form before ので."""
    last = -(-n // b)
    said = "、".join(f"{b}×{count}={b * count}" for count in range(start, last + 1))
    return f"{said}でちょうど{n}な" if b * last == n else f"{said}で{n}を超える"


def _rest(n: int, line: int) -> str:
    """What n has over a line that is less than ten below it."""
    top, bottom = n % 10, line % 10
    if top < bottom:
        return f"残りの{n}-{line}は、一の位の{top}と{bottom}を比べると{top}のほうが小さいので、1借りて{top + 10}-{bottom}={n - line}です"
    return f"残りの{n}-{line}は、一の位の{top}と{bottom}を比べると{top}のほうが大きいので、そのまま{top}-{bottom}={n - line}です"
