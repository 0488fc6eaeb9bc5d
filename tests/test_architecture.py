"""Who may import what, and what is declared twice agrees: read from the sources, nothing is run."""

import ast
import importlib
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.records import KNOWN_FIELDS
from phi2chat.cli import COMMANDS
from phi2chat.commands.curate import TEXT_FIELDS
from phi2chat.terminal.form import FIELDS, REQUIRED

ROOT = Path(__file__).parents[1]
CURATION = sorted((ROOT / "curation").rglob("*.py"))
PHI2CHAT = sorted((ROOT / "phi2chat").rglob("*.py"))
HUGGING_FACE = {
    "accelerate", "datasets", "huggingface_hub", "peft", "safetensors", "tokenizers", "transformers", "trl",
}  # fmt: skip
# A package imports from those that stand before it; commands may import all.
PACKAGES = [
    "terminal", "inference", "weights", "remote", "chatting", "evaluation", "training", "training_rounds", "records",
    "reviewing", "commands",
]  # fmt: skip
SCHEMA = json.loads((ROOT / "curation" / "record.schema.json").read_text(encoding="utf-8"))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path)))  # also inside functions


def imports(path: Path) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):  # a relative one stays in its package
            found.add(str(node.module) if node.level == 0 else path.relative_to(ROOT).parts[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
            found |= {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
    return {name.partition(".")[0] for name in found}


def calls(path: Path) -> set[str]:
    """The functions that a file calls, as they are written."""
    return {ast.unparse(node.func) for node in nodes(path) if isinstance(node, ast.Call)}


def who_imports(*packages: str) -> set[str]:
    return {path.stem for path in PHI2CHAT if imports(path) & set(packages)}


def test_the_sources_are_found() -> None:
    assert len(CURATION) > 5
    assert {"cli", "trainer", "models", "chat", "screen"} <= {path.stem for path in PHI2CHAT}


@pytest.mark.parametrize("path", CURATION, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_data_side_imports_neither_the_terminal_side_nor_a_library_of_models(path: Path) -> None:
    assert imports(path) & (HUGGING_FACE | {"phi2chat", "torch", "click", "rich", "prompt_toolkit"}) == set()


def when_running(node: ast.AST) -> Iterator[ast.AST]:
    """What is in it, but for what only the type checker reads."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from when_running(child)


def modules(node: ast.AST) -> list[str]:
    """The modules that a node imports, in any of the ways there are."""
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are written in full"
        return [f"{node.module}.{name.name}" for name in node.names]
    return []


def test_packages_import_from_those_that_stand_before_them() -> None:
    assert {path.parent.name for path in PHI2CHAT} == {"phi2chat", *PACKAGES}
    upward = [
        f"{path.parent.name}.{path.stem} imports {module}"
        for path in PHI2CHAT
        if path.parent.name != "phi2chat"
        for node in when_running(ast.parse(path.read_text(encoding="utf-8")))
        for module in modules(node)
        if (found := re.match(r"phi2chat\.(\w+)", module)) and found[1] in PACKAGES
        if PACKAGES.index(found[1]) > PACKAGES.index(path.parent.name)
    ]
    assert upward == []


def test_a_package_of_the_terminal_side_is_imported_without_anything_else() -> None:
    empty = [path for path in PHI2CHAT if path.name == "__init__.py" and path.parent.name != "phi2chat"]
    assert len(empty) == len(PACKAGES)
    assert [path for path in empty if len(ast.parse(path.read_text(encoding="utf-8")).body) > 1] == []


def test_torch_and_transformers_stay_in_the_model_rooms() -> None:
    rooms = {
        "adapters", "attention", "batch", "batches", "chooser", "doctor", "embedded", "engine", "estimate", "failures", "fused_step", "generate", "kept_attention", "launch",
        "layer_parts", "lora", "merge", "models", "prepare", "processes", "quiet", "row_attention", "sampler", "sft", "speed",
        "step_graphs", "steps", "watcher",
    }  # fmt: skip
    assert who_imports("torch", "transformers") <= rooms
    assert who_imports("torch", "transformers") == rooms, "a room that is no model room any more can be taken out"


def test_only_the_trainer_trains() -> None:
    assert who_imports("trl") == {"sft"}
    assert who_imports("datasets") == {"sft", "saved_dataset"}
    assert who_imports("peft") == {"adapters", "estimate", "lora"}


def test_only_the_screen_makes_a_console() -> None:
    classes = {
        node.name
        for path in PHI2CHAT
        for node in nodes(path)
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Console") for base in node.bases)
    }
    makers = {
        path.stem for path in PHI2CHAT if {name.rpartition(".")[2] for name in calls(path)} & (classes | {"Console"})
    }
    assert classes == {"SafeConsole"}
    assert makers == {"screen"}


PRINTERS = {
    "print", "click.echo", "click.secho", "click.echo_via_pager", "click.confirm", "click.prompt", "sys.stdout.write",
    "sys.stderr.write",
}  # fmt: skip


def test_whatever_is_printed_past_the_screen_is_made_safe_or_our_own() -> None:
    makes_safe = {"safe", "json_line", "describe_usage_error", "as_json", "as_sarif", "as_github"}
    raw = []
    for path in [*PHI2CHAT, *CURATION]:
        for node in nodes(path):
            if not isinstance(node, ast.Call) or path.stem == "completion":  # which prints click's own script
                continue
            if ast.unparse(node.func) in ("traceback.print_exc", "traceback.print_exception", "error.show"):
                raw += [f"{path.stem}: {ast.unparse(node)}"] * (path.stem != "safe_errors")
            if ast.unparse(node.func) in PRINTERS:
                (text, *_) = node.args
                is_safe = isinstance(text, ast.Constant) or (
                    isinstance(text, ast.Call) and ast.unparse(text.func) in makes_safe
                )
                raw += [f"{path.stem}: {ast.unparse(node)}"] * (not is_safe)
    assert raw == [
        "cli: print(shown, file=sys.stderr)",  # safe, and wrapped
        "entry: click.confirm(question, default=True, err=True)",  # our own
        "sheet_columns: click.prompt(field, default=_offer(guessed.get(field), looked.columns), err=True, value_proc=str)",
    ]


def test_only_these_print_styled_text_on_a_console_themselves() -> None:
    own = {"screen", "streamed", "folded_line", "progress_bar"}
    of_safe_parts = {"diff", "listing", "script"}  # put together by safe_text, marked and change_text
    printers = {
        path.stem for path in PHI2CHAT if any(re.search(r"(out|err|console)\.print$", name) for name in calls(path))
    }
    assert printers == own | of_safe_parts


def test_the_conversation_knows_neither_torch_nor_the_screen() -> None:
    (chat,) = [path for path in PHI2CHAT if path.stem == "chat"]
    assert imports(chat) & (HUGGING_FACE | {"torch", "rich", "prompt_toolkit", "click"}) == set()
    for path in PHI2CHAT:
        if path.stem in ("slash", "talk"):
            assert imports(path) & (HUGGING_FACE | {"torch", "rich", "prompt_toolkit", "click"}) == set()
    text = chat.read_text(encoding="utf-8")
    assert "phi2chat.terminal.screen" not in text and "phi2chat.weights.models" not in text


def test_only_the_front_door_exits() -> None:
    exits = {"sys.exit", "os._exit", "exit", "quit", "SystemExit"}
    assert {path.stem for path in [*PHI2CHAT, *CURATION] if calls(path) & exits} == {"cli"}
    raised = {
        path.stem
        for path in [*PHI2CHAT, *CURATION]
        for node in nodes(path)
        if isinstance(node, ast.Raise) and node.exc is not None and ast.unparse(node.exc).startswith("SystemExit")
    }
    assert raised == set()


def test_every_command_is_a_module_of_its_own_whose_command_has_its_name() -> None:
    for name, module in COMMANDS.items():
        assert module == f"phi2chat.commands.{name}"
        assert importlib.import_module(module).command.name == name


def test_every_package_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = sum(project["optional-dependencies"].values(), project["dependencies"])
    declared = {re.split(r"[\[<>=!~ ]", line)[0].lower().replace("-", "_") for line in lines}
    used = set[str]().union(*(imports(path) for path in [*PHI2CHAT, *CURATION]))
    ours = {"phi2chat", "curation", "triton"} | set(sys.stdlib_module_names)  # torch for GPUs brings triton
    packages = {"yaml": "pyyaml", "fasttext": "fasttext_predict"}
    assert {packages.get(name, name.lower()) for name in used - ours} <= declared


# One record, spelled in four places


def test_the_fields_that_the_code_knows_are_those_of_the_schema() -> None:
    assert list(KNOWN_FIELDS) == list(SCHEMA["properties"])


def is_text(field: str) -> bool:
    declared = SCHEMA["properties"][field]
    return declared.get("type") == "string" or declared.get("$ref") == "#/$defs/languageTag"


def test_add_has_a_flag_for_every_text_field_but_the_id() -> None:
    assert list(TEXT_FIELDS) == [field for field in SCHEMA["properties"] if is_text(field) and field != "id"]


def test_the_form_asks_for_text_fields_in_their_order_and_for_all_that_are_required() -> None:
    assert [field for field in TEXT_FIELDS if field in FIELDS] == list(FIELDS)
    assert list(REQUIRED) == SCHEMA["required"]
    assert set(REQUIRED) < set(FIELDS)
