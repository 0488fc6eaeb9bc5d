"""What the docs say is true: commands, links, tables and transcripts are compared with the product, or run."""

import doctest
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from curation.script import check, describe_spans
from phi2chat.chatting.slash import COMMANDS
from phi2chat.config import TrainConfig, build

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ENGLISH, JAPANESE = ROOT / "README.md", ROOT / "README.ja.md"
READMES = pytest.mark.parametrize("readme", [ENGLISH, JAPANESE], ids=lambda path: path.name)
CHATS = pytest.mark.parametrize("page", [DOCS / "chat.md", DOCS / "chat.ja.md"], ids=lambda path: path.name)
LISTS = pytest.mark.parametrize("page", [DOCS / "files.md", DOCS / "files.ja.md"], ids=lambda path: path.name)
PAGES = [ENGLISH, JAPANESE, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
PAIRS = [
    (page.with_name(page.name.replace(".ja.md", ".md")), page) for page in PAGES if page.name.endswith(".ja.md")
]  # a page and its Japanese one
NOTHING_FLAGGED = ("nothing", "なし")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(text: str, language: str, marked: bool = False) -> list[str]:
    """The code blocks of a language; marked ones are those that a test runs."""
    mark = "<!-- run -->\n" if marked else ""
    return re.findall(rf"^{mark}```(?:{language})\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def headings(path: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", without_code(read(path)), re.MULTILINE)


def anchors(path: Path) -> set[str]:
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(path)}


def commands_in(text: str) -> list[str]:
    lines = "\n".join(blocks(text, "sh|console")).splitlines()
    return [line.removeprefix("$ ") for line in lines if re.match(r"(\$ )?(phi2chat|make|pip|git|source) ", line)]


def write_commands() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_commands", ROOT / "docs" / "write_commands.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_generated_page_and_table_is_what_make_docs_writes() -> None:
    # In a process of its own, as make docs has one: what other tests did to this one does not count.
    code = "import json, runpy; made = runpy.run_path('docs/write_commands.py')['documents'](); "
    code += "print(json.dumps({str(path): text for path, text in made.items()}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, timeout=110)
    documents = {Path(path): text for path, text in json.loads(done.stdout).items()}
    assert len(documents) == 4
    stale = [path.name for path, text in documents.items() if read(path) != text]
    assert stale == [], "run make docs"


def test_every_command_has_a_section_in_the_reference() -> None:
    paths = [context.command_path for context in write_commands().walk()]
    assert headings(DOCS / "commands.md") == ["Commands", *paths]
    assert "phi2chat curate validate" in paths


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(read(page))):
        if "://" not in link:
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize(("english", "japanese"), PAIRS, ids=lambda path: path.name)
def test_both_languages_have_the_same_shape_and_the_same_commands(english: Path, japanese: Path) -> None:
    assert len(headings(english)) == len(headings(japanese))
    assert commands_in(read(english)) == commands_in(read(japanese))
    for language in ("console", "sh", "yaml", "python"):
        assert blocks(read(english), language) == blocks(read(japanese), language)
    assert len(re.findall(r"^(?:\||- )", read(english), re.MULTILINE)) == len(
        re.findall(r"^(?:\||- )", read(japanese), re.MULTILINE)
    )


@pytest.mark.parametrize("page", [japanese for _, japanese in PAIRS], ids=lambda path: path.name)
def test_a_loanword_keeps_its_long_vowel_at_the_end(page: Path) -> None:
    short = r"(?:フォルダ|エディタ|パラメータ|メモリ|サーバ|ユーザ|ブラウザ|ライブラリ|トークナイザ|アダプタ)(?!ー)"
    assert re.findall(short, read(page)) == []


def test_the_readme_leads_to_every_page() -> None:
    assert len(PAIRS) == 7
    assert [page.name for page in DOCS.glob("*.md") if page.name not in read(ENGLISH) + read(JAPANESE)] == []


@pytest.mark.parametrize("page", ["reference.md", "reference.ja.md"])
def test_the_licence_of_every_package_that_is_used_is_named(page: str) -> None:
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    packages = [*project["dependencies"], *extras["ray"], *extras["evaluate"], *extras["nf4"]]
    for names, where in ((packages, page), (extras["confusion"], "script.md")):
        rows = "\n".join(re.findall(r"^\| .*", read(DOCS / where), re.MULTILINE))
        listed = set(re.findall(r"[a-zA-Z0-9_-]+", rows))
        assert {re.split(r"[\[>=]", name)[0] for name in names} - listed == set()


@CHATS
def test_every_slash_command_is_named(page: Path) -> None:
    assert [name for name in COMMANDS if not re.search(rf"`/{name}\b", read(page))] == []


@LISTS
def test_the_list_of_files_names_every_file_and_every_package_and_no_other(page: Path) -> None:
    packages = [ROOT / "phi2chat", ROOT / "curation"]
    there = [
        path for package in packages for path in package.rglob("*") if path.suffix in (".py", ".json", ".bin", ".txt")
    ]
    rooms = {f"{path.parent.relative_to(ROOT)}/" for path in there}
    assert set(re.findall(r"^## `(.+)`$", read(page), re.MULTILINE)) == rooms
    named = re.findall(r"^\| `((?:phi2chat|curation)/[^`]+)` \|", read(page), re.MULTILINE)
    said_above = [path for path in there if re.fullmatch(r"phi2chat/\w+/__init__\.py", str(path.relative_to(ROOT)))]
    assert sorted(named) == sorted(str(path.relative_to(ROOT)) for path in there if path not in said_above)


def guard_rows() -> Iterator[tuple[str, str, str]]:
    for readme in (ENGLISH, JAPANESE):
        table = re.search(r"<!-- guard -->\n((?:\|.*\n)+)", read(readme))
        assert table is not None
        for row in table[1].splitlines()[2:]:
            language, text, flagged = (cell.strip() for cell in row.strip("|").split("|"))
            yield language.strip("`"), text, flagged


@pytest.mark.parametrize(("language", "text", "flagged"), list(guard_rows()))
def test_the_guard_flags_what_the_readme_says(language: str, text: str, flagged: str) -> None:
    found = describe_spans(check(text, language).spans)
    assert found == ("" if flagged.startswith(NOTHING_FLAGGED) else flagged)


@READMES
def test_the_python_of_the_readme_gives_what_it_shows(readme: Path) -> None:
    examples = "".join(blocks(read(readme), "python"))
    test = doctest.DocTestParser().get_doctest(examples, {}, readme.name, str(readme), 0)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_settings_that_are_shown_are_read(tmp_path: Path) -> None:
    (example,) = blocks(read(DOCS / "training.md"), "yaml")
    settings = tmp_path / "train.yaml"
    settings.write_text(example, encoding="utf-8")
    config = build(TrainConfig, {"epochs": 8.0}, settings)
    assert (config.base, config.epochs, config.learning_rate) == ("microsoft/phi-2", 8.0, 1e-4)


@pytest.mark.skipif(os.name != "posix", reason="the examples are for a POSIX shell")
def test_the_walk_through_of_curate_prints_what_it_shows(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "phi2chat"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m phi2chat "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    python_path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    # An editor that changes nothing; everything else as in a shell in another folder.
    environment = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": python_path}
    environment |= {"EDITOR": "true", "VISUAL": "", "PYTHONUTF8": "1"}

    def run(command: str) -> str:
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert done.returncode == 0, done.stdout.decode()
        return done.stdout.decode()

    walk_through = blocks(read(DOCS / "records.md"), "console|sh", marked=True)
    assert len(walk_through) == 6
    for block in walk_through:
        if block.startswith("$ "):
            commands = re.findall(r"^\$ (.*)$", block, re.MULTILINE)
            assert "".join(f"$ {command}\n{run(command)}" for command in commands) == block
        else:
            for command in block.splitlines():
                run(command)


def test_the_code_that_contributing_quotes_is_ours() -> None:
    sources = "\n".join(read(path) for package in ("phi2chat", "curation") for path in (ROOT / package).rglob("*.py"))
    quoted = blocks(read(ROOT / "CONTRIBUTING.md"), "python")
    assert len(quoted) == 2
    assert [block for block in quoted if block not in sources] == []
