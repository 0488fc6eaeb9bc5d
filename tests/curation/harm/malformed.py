"""Files that are not what they should be, by name: broken lines, odd bytes, wrong types, other formats."""

import gzip
import json
from collections.abc import Iterator

from curation.records import KNOWN_FIELDS

GOOD = '{"id": "a", "instruction": "日本の首都は？", "reasoning": "国会があります。", "answer": "東京です。"}'
OTHER = '{"id": "b", "instruction": "1+1は？", "reasoning": "1の次は2です。", "answer": "2です。"}'
RECORD = json.loads(GOOD)

BROKEN_LINES = {
    "nothing": "", "blanks": "  \t ", "a brace": "{", "a bracket": "[", "a quote": '"', "a comma": ",",
    "an empty object": "{}", "an array": "[]", "a string": '"x"', "a number": "1", "null": "null", "true": "true",
    "an array of records": f"[{GOOD}]", "two records": GOOD + GOOD, "a record and more": GOOD + " x",
    "a comma after the last member": GOOD[:-1] + ",}", "single quotes": GOOD.replace('"', "'"),
    "a comment": GOOD + " // x", "a key without quotes": "{id: 1}", "a missing colon": '{"id" "a"}',
    "a missing comma": '{"id": "a" "x": 1}', "two colons": '{"id":: "a"}', "NaN": '{"id": NaN}',
    "infinity": '{"id": Infinity}', "minus infinity": '{"id": -Infinity}', "a number too large": '{"id": 1e400}',
    "a number too large in a record": GOOD[:-1] + ', "x": -1e999}', "a long integer": '{"id": %s}' % ("9" * 5000),
    "a long integer in a record": GOOD[:-1] + ', "x": %s}' % ("1" * 4301), "a small number": GOOD[:-1] + ', "x": 1e-999}',
    "a leading zero": '{"id": 01}', "a plus": '{"id": +1}', "a hexadecimal number": '{"id": 0x1}', "minus": '{"id": -}',
    "a point": '{"id": 1.}', "nested arrays": "[" * 100_000, "closed nested arrays": "[" * 5000 + "]" * 5000,
    "nested objects": '{"a":' * 100_000, "a nested member": GOOD[:-1] + ', "x": %s}' % ("[" * 99 + "]" * 99),
    "a deeply nested member": GOOD[:-1] + ', "x": %s}' % ("[" * 101 + "]" * 101),
    "a very deeply nested member": GOOD[:-1] + ', "x": %s}' % ('{"a":' * 20_000 + "1" + "}" * 20_000),
    "a key twice": GOOD[:-1] + ', "answer": "京都です。"}', "an id twice": GOOD[:-1] + ', "id": "b"}',
    "a key twice within": GOOD[:-1] + ', "provenance": {"a": 1, "a": 2}}', "an escaped key twice": GOOD[:-1] + ', "\\u0069d": "b"}',
    "half a pair": GOOD.replace("東京", "\\ud800"), "the other half": GOOD.replace("東京", "\\udc00"),
    "a pair turned round": GOOD.replace("東京", "\\udc00\\ud800"), "half a pair in a key": '{"\\ud800": 1}',
    "half a pair as id": '{"id": "\\ud800"}', "half a pair in capitals": GOOD.replace("東京", "\\uD83D\\u0041"),
    "an escaped NUL": GOOD.replace("東京", "\\u0000"), "an escaped escape": GOOD.replace("東京", "\\u001b[31m"),
    "a bad escape": GOOD.replace("東京", "\\x"), "a short escape": GOOD.replace("東京", "\\u12"),
    "a backslash at the end": GOOD[:-2] + "\\", "a tab in a text": GOOD.replace("東京", "\t"),
    "a carriage return in a text": GOOD.replace("東京", "\r"), "a control character in a text": GOOD.replace("東京", "\x1b[31m"),
    "U+2028 in a text": GOOD.replace("東京", "\u2028"), "U+0085 in a text": GOOD.replace("東京", "\x85"),
    "marks of direction": GOOD.replace("東京", "\u202e\u2066"), "markup": GOOD.replace("東京", "[/bold][link=x]:smile:"),
    "an empty key": GOOD[:-1] + ', "": 1}', "a key of control characters": GOOD[:-1] + ', "\\u001b[2J": 1}',
    "a long key": GOOD[:-1] + ', "%s": 1}' % ("k" * 100_000), "a long text": GOOD.replace("東京", "東" * 20_000),
    "a long word": GOOD.replace("東京", "x" * 20_000), "many members": json.dumps({f"m{n}": n for n in range(5000)}),
    "tags": GOOD[:-1] + ', "tags": "a"}', "a path as id": GOOD.replace('"a"', '"../../etc/passwd"'),
    "an id like a line": GOOD.replace('"a"', '"line:2"'), "a long id": GOOD.replace('"a"', '"%s"' % ("i" * 10_000)),
    "an id of blanks": GOOD.replace('"a"', '"  "'), "an id of control characters": GOOD.replace('"a"', '"\\u001b\\u0007"'),
    "an id in Japanese": GOOD.replace('"a"', '"東京"'), "an unknown language": GOOD[:-1] + ', "language": "xx-Nope"}',
    "a language of junk": GOOD[:-1] + ', "language": "\\u0000\\n["}', "an empty language": GOOD[:-1] + ', "language": ""}',
    "the markers of the prompt": GOOD.replace("東京", "### Answer:\\n<|endoftext|>"),
}  # fmt: skip
ODD_BYTES = {
    "a lone continuation": b"\x80", "0xff": b"\xff", "an overlong slash": b"\xc0\xaf", "a surrogate": b"\xed\xa0\x80",
    "above U+10FFFF": b"\xf5\x80\x80\x80", "a cut character": b"\xe6\x9d", "NUL": b"\0", "many NULs": b"\0" * 5000,
    "a byte order mark": b"\xef\xbb\xbf", "a carriage return": b"\r", "a form feed": b"\f", "escape": b"\x1b[2J",
}  # fmt: skip
VALUES = {
    "null": None, "true": True, "a number": 1, "a fraction": 1.5, "a large number": 10**400, "a huge fraction": 1e308,
    "an empty array": [], "an array of numbers": [1], "an array of arrays": [["a"]], "an empty object": {},
    "an object": {"a": {"b": [None]}}, "an empty text": "", "a blank text": " \u3000\n",
    "an array of texts": ["a", ""],
}  # fmt: skip
CONVERSATIONS = {
    "messages": [None, 5, "x", {}, [], [None], [1], [{}], [{"role": 1}], [{"role": "user"}],
                 [{"role": "user", "content": None}], [{"role": "user", "content": "x"}, {"role": "assistant", "content": [1]}]],
    "conversations": [None, 5, {}, [None], [{"from": "human"}], [{"from": None, "value": {}}]],
    "prompt": [None, [], {}], "output": [None, 1, []],
}  # fmt: skip


def malformed_files() -> Iterator[tuple[str, bytes]]:
    """The name and the bytes of each."""
    for name, line in BROKEN_LINES.items():
        broken, good = line.encode("utf-8", "surrogatepass"), OTHER.encode()
        yield f"{name}, first", broken + b"\n" + good + b"\n"
        yield f"{name}, last and cut", good + b"\n" + broken
    whole = GOOD.encode()
    for name, odd in ODD_BYTES.items():
        for place, at in {
            "before": 0,
            "in a key": 3,
            "in a text": whole.index("東".encode()) + 1,
            "after": len(whole),
        }.items():
            yield f"{name} {place}", whole[:at] + odd + whole[at:] + b"\n"
    for field in KNOWN_FIELDS:
        for name, value in VALUES.items():
            if field != "note" or name != "a large number":
                yield (
                    f"{field} is {name}",
                    json.dumps({**RECORD, field: value}).encode() + b"\n" + OTHER.encode() + b"\n",
                )
    for field in ("instruction", "reasoning", "answer"):
        yield f"no {field}", json.dumps({key: value for key, value in RECORD.items() if key != field}).encode() + b"\n"
    for at in range(1, len(whole), 7):
        yield f"cut at {at}", OTHER.encode() + b"\n" + whole[:at]
    for field, values in CONVERSATIONS.items():
        for number, other in enumerate(values):
            yield f"{field} {number}", json.dumps({field: other}).encode() + b"\n"
    text = f"{GOOD}\n{OTHER}\n"
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp932", "euc-jp", "iso-2022-jp"):
        yield f"in {encoding}", text.encode(encoding)
    yield "an array", json.dumps([RECORD], indent=2).encode()
    yield "lines that end in a carriage return", text.replace("\n", "\r").encode()
    yield "lines of all ends", f"{GOOD}\r\n{OTHER}\n\r\n\n \n".encode()
    yield "the same twice", f"{GOOD}\n{GOOD}\n".encode()
    yield "nothing", b""
    yield "one newline", b"\n"
    yield "many newlines", b"\n" * 3000
    yield "gzip", gzip.compress(text.encode(), mtime=0)
    yield "a picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
    yield "a sheet", b"PK\x03\x04" + bytes(200)
    yield "a table", b"instruction,reasoning,answer\nx,y,z\n"
