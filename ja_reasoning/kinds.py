"""Reads text/*.txt: kinds of instruction, each with its wordings and, where it has a table, its rows.

    [antonym] category=antonym
    ? 「{word}」の対義語は何ですか。 => 「{opposite}」です。
    ? 反対の意味の言葉を書いてください。 << {word} => {opposite}
    ! {why}反対は「{opposite}」です。
    : word | opposite | why
    - 長い | 短い | 「長い」は端から端までが離れていることです。

A `?` is a question, after `<<` its input, after `=>` its answer; a `!` is a reasoning; both are chosen apart from each
other, but where the reasoning of a question stands after its `!!`. A `:` names the columns of the rows that follow;
where there are none, rows/ has a function for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_TEXT = Path(__file__).parent / "text"

Row = Mapping[str, str]


class RecipeError(Exception):
    """A text that cannot be used, and where it stands."""


@dataclass(frozen=True)
class Question:
    """A wording of a question, of its input, if any, and of the answer; and its reasoning, if it has one of its own."""

    instruction: str
    input: str
    answer: str
    reasoning: str = ""


@dataclass
class Kind:
    """A section of a file. `table` names the rows, which sections in several languages share."""

    name: str
    options: dict[str, str]
    questions: list[Question] = field(default_factory=list)
    reasonings: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def table(self) -> str:
        return self.options.get("rows", self.name)

    @property
    def like(self) -> str:
        """The kind whose reasonings are used: this one, or the one it asks in other words."""
        return self.options.get("like", self.name)

    @property
    def category(self) -> str:
        return self.options.get("category", self.table)

    @property
    def language(self) -> str:
        return self.options.get("language", "ja")

    @property
    def reasoning_language(self) -> str:
        return self.options.get("reasoning", self.language)

    @property
    def count(self) -> int | None:
        """How many rows are taken, None for all."""
        return int(self.options["count"]) if "count" in self.options else None

    @property
    def every(self) -> int:
        """Of how many rows one is taken."""
        return int(self.options.get("every", "1"))

    @property
    def start(self) -> int:
        """The first row that is taken."""
        return int(self.options.get("start", "0"))


def read_kinds(folder: Path = _TEXT) -> list[Kind]:
    """All kinds of all files, in the order of the files' names. Raises RecipeError."""
    return [kind for path in sorted(folder.glob("*.txt")) for kind in _read_file(path)]


def _read_file(path: Path) -> list[Kind]:
    kinds: list[Kind] = []
    columns: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        mark, text = line[:1], line[1:].strip()
        if not line.strip() or mark == "#":
            continue
        if mark == "[":
            name, _, options = text.partition("]")
            kinds.append(Kind(name, dict(option.split("=", 1) for option in options.split())))
            columns = []
        elif mark == "?" and "=>" in text:
            question, _, reply = text.partition("=>")
            answer, _, reasoning = reply.partition("!!")
            instruction, _, source = question.partition("<<")
            kinds[-1].questions.append(Question(*map(_lines, (instruction, source, answer, reasoning))))
        elif mark == "!":
            kinds[-1].reasonings.append(text)
        elif mark == ":":
            columns = [cell.strip() for cell in text.split("|")]
        elif mark == "-":
            cells = [_lines(cell) for cell in text.split("|")]
            if len(cells) != len(columns):
                raise RecipeError(f"{path.name}:{number}: {len(cells)} cells for {len(columns)} columns")
            kinds[-1].rows.append(dict(zip(columns, cells, strict=True)))
        else:
            raise RecipeError(f"{path.name}:{number}: begins with none of [ ? ! : - #")
    return kinds


def _lines(text: str) -> str:
    return text.strip().replace("\\n", "\n")
