"""Write docs/commands.md and docs/rules.md, and the command tables of docs/reference.md, from the commands' own help.

`make docs` runs it; tests/test_docs.py fails where one of the files is not what it would write.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from curation.rules import RULES, SECTIONS
from phi2chat.cli import phi2chat

HERE = Path(__file__).resolve().parent
HELP_PAGE = "commands.md"
RULES_PAGE = "rules.md"
WIDTH = 100  # columns of the help, whatever the terminal has

HEADER = """\
# Commands

What every command says to `--help`. This file is written by `make docs`.
"""

RULES_HEADER = """\
# Rules

What `phi2chat curate validate` checks, from the declarations in `curation/rules/`. This file is written by `make docs`.

`--select` and `--ignore` take ids, beginnings of ids (`duplicate`), and the names of the sections below. An error makes
the exit code 1, a warning does not. What is *fixable* is mended by `--fix`, which never changes a record. What is an
*opinion* is about what a text says: such a record can still be split and trained on, and `--any-script` adds it.
"""

JAPANESE = {
    "phi2chat ask": "質問を一つ、または標準入力から一行に一つ渡します",
    "phi2chat completion": "シェル補完のスクリプトを出力します",
    "phi2chat curate add": "レコードを追加します（フォーム、フラグ、または標準入力のJSON）",
    "phi2chat curate browse": "レコードを端末全体で次々に見直します（直す、承認、却下、取り消し、検索）",
    "phi2chat curate check-split": "学習側から評価側に漏れているid、ファミリー、質問を挙げます",
    "phi2chat curate diff": "二つのファイル、または今と以前の間で、増えた、なくなった、変わったレコードを示します",
    "phi2chat curate dedup": "ほぼ同じことを尋ねるレコードを挙げ、それらを除いたファイルを書きます",
    "phi2chat curate edit": "レコードを `$EDITOR`、またはフォームで直します",
    "phi2chat curate export": "レコードをほかのプログラムの形式（messages、Alpaca、xlsx、Parquetなど）で書き出します",
    "phi2chat curate import": "xlsx、csv、json、jsonl、parquetなどからレコードを取り込みます",
    "phi2chat curate list": "レコードの一覧です（端末では表、パイプではタブ区切り）",
    "phi2chat curate log": "ファイルに何をしたかを、新しいものから示します",
    "phi2chat curate mv": "レコードを別のファイルの末尾へ移します",
    "phi2chat curate restore": "ファイルを、ジャーナルのある時点のものに戻します",
    "phi2chat curate retag": "レコードのタグ、分類などを変えます",
    "phi2chat curate rm": "レコードを取り除きます（内容は出力されるので、`curate add` で戻せます）",
    "phi2chat curate show": "レコードを一件、問題点と一緒に表示します",
    "phi2chat curate split": "`train.jsonl`、`eval.jsonl`、マニフェストを書きます",
    "phi2chat curate stats": "レコードを言語、分類、長さ、文字の種類で数え、重複を数えます",
    "phi2chat curate undo": "最後の変更を取り消します（`--redo` でやり直します）",
    "phi2chat curate validate": "すべてのファイルの問題を、行と列を付けてすべて挙げます",
    "phi2chat demo": "埋め込みモデルで全体を一巡します（検査、分割、回答、学習、もう一度回答）",
    "phi2chat doctor": "Python、パッケージ、GPU、メモリー、モデルのキャッシュを調べます",
    "phi2chat evaluate": "モデルにプローブを尋ね、答えを判定し、良くなったかを示します",
    "phi2chat export": "実行またはチェックポイントから、ほかのプログラムのためのモデルを作ります",
    "phi2chat repl": "モデルと会話します。推論と答えを分け、違う文字の部分に印を付けます",
    "phi2chat rounds ablate": "選んだことを一つずつ変えて何度も学習し、同じプローブを尋ねて比べます",
    "phi2chat rounds best": "いちばん良いラウンドのフォルダーを出力します",
    "phi2chat rounds diff": "二つのラウンドを比べます。直ったもの、壊れたもの、近いレコード",
    "phi2chat rounds list": "ラウンド（学習）の一覧と、前からの変更を示します",
    "phi2chat rounds show": "ラウンド一つの設定、データ、得点を示します",
    "phi2chat script check": "テキストの中の違う言語の部分を、行と列を付けて挙げます",
    "phi2chat script rates": "回答のJSONLから、違う言語が混じる割合を出します",
    "phi2chat train": "レコードからLoRAアダプターを学習します",
}


def walk(
    command: click.Command = phi2chat, name: str = "phi2chat", parent: click.Context | None = None
) -> Iterator[click.Context]:
    """A context for the command and for everything below it, by name, each group before its own commands."""
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from walk(found, child, context)


def help_page() -> str:
    """The text of docs/commands.md."""
    sections = [f"## {context.command_path}\n\n```text\n{context.get_help()}\n```\n" for context in walk()]
    return "\n".join([HEADER, *sections])


def rules() -> str:
    """The text of docs/rules.md."""
    page = [RULES_HEADER]
    for section, sentence in SECTIONS.items():
        page.append(f"## {section}\n\n{sentence}\n")
        for rule in RULES.values():
            if rule.section == section:
                kind = [rule.severity, *(["fixable"] if rule.fixable else []), *(["opinion"] if rule.opinion else [])]
                page.append(f"### {rule.id}\n\n*{', '.join(kind)}.* {rule.sentence}\n\n{rule.mend}\n")
    return "\n".join(page)


def table(japanese: bool) -> str:
    """The commands, each with one line about it and a link to its help."""
    rows = ["| コマンド | 何をするか |" if japanese else "| command | what it does |", "| --- | --- |"]
    for context in walk():
        path = context.command_path
        if not isinstance(context.command, click.Group):
            summary = JAPANESE[path] if japanese else context.command.get_short_help_str(limit=200).rstrip(".")
            rows.append(f"| [`{path}`]({HELP_PAGE}#{path.replace(' ', '-')}) | {summary} |")
    return "\n".join(rows)


def with_table(page: str, rows: str) -> str:
    """The page with these rows between its markers."""
    between = re.compile(r"(<!-- commands -->\n).*?(<!-- /commands -->)", re.DOTALL)
    changed, count = between.subn(lambda match: f"{match[1]}{rows}\n{match[2]}", page)
    if count != 1:
        raise SystemExit("a reference page needs <!-- commands --> and <!-- /commands --> once, each on its own line")
    return changed


def documents() -> dict[Path, str]:
    """Every file that is written here, and what should stand in it."""
    english, japanese = HERE / "reference.md", HERE / "reference.ja.md"
    return {
        HERE / HELP_PAGE: help_page(),
        HERE / RULES_PAGE: rules(),
        english: with_table(english.read_text(encoding="utf-8"), table(japanese=False)),
        japanese: with_table(japanese.read_text(encoding="utf-8"), table(japanese=True)),
    }


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
