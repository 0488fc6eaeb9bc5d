"""One declaration gives the flag, its default, its help, the key in YAML and the key in run.json."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

import click
import pytest
from click.testing import CliRunner

from curation.errors import UserError
from curation.rules.contract import keeps_contract
from phi2chat.config import (
    ChatConfig,
    ModelConfig,
    TrainConfig,
    build,
    change,
    from_json,
    option,
    to_json,
    with_options,
)


@dataclasses.dataclass(frozen=True)
class Tea:
    """A config with an option of each kind."""

    sort: Literal["green", "black"] = option("green", "Leaves.")
    cups: int = option(2, "How many.", 1, 9)
    minutes: float = option(2.5, "How long.", 0)
    pot: Path | None = option(None, "Which pot.")
    is_hot: bool = option(True, "Hot.")
    guests: int | None = option(None, "Who comes.", 1)
    name: str = option("煎茶", "Name.")


def run(*arguments: str) -> Any:
    """The config that a command with these options was given, or click's complaint."""

    @click.command()
    @with_options(Tea)
    def command(**flags: Any) -> None:
        given.append(build(Tea, flags))

    given: list[Tea] = []
    result = CliRunner().invoke(command, arguments)
    return given[0] if given else result.output


def yaml(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "tea.yaml"
    path.write_text(content, "utf-8")
    return path


def fault_of(path: Path) -> str:
    with pytest.raises(UserError) as raised:
        build(Tea, {}, path)
    return str(raised.value)


# One declaration


def test_every_field_is_a_flag_with_its_default_and_help() -> None:
    assert run("--help") == (
        "Usage: command [OPTIONS]\n"
        "\n"
        "Options:\n"
        "  --sort [green|black]    Leaves. [default: green]\n"
        "  --cups INTEGER          How many. [default: 2]  [1<=x<=9]\n"
        "  --minutes NUMBER        How long. [default: 2.5]  [x>=0]\n"
        "  --pot PATH              Which pot.\n"
        "  --is-hot / --no-is-hot  Hot. [default: True]\n"
        "  --guests INTEGER        Who comes.  [x>=1]\n"
        "  --name TEXT             Name. [default: 煎茶]\n"
        "  --help                  Show this message and exit.\n"
    )


def test_a_flag_and_a_key_mean_the_same(tmp_path: Path) -> None:
    flags = ("--sort", "black", "--cups", "3", "--minutes", "4", "--pot", "a/b", "--no-is-hot", "--guests", "2")
    content = "sort: black\ncups: 3\nminutes: 4\npot: a/b\nis_hot: false\nguests: 2\n"
    wanted = Tea("black", 3, 4.0, Path("a/b"), False, 2)
    assert run(*flags) == build(Tea, {}, yaml(tmp_path, content)) == wanted


@pytest.mark.parametrize(
    "config",
    [
        Tea("black", 3, 4.0, Path("a/b"), False, 2, "抹茶"),
        TrainConfig(),
        TrainConfig(output_dir=Path("runs/a"), max_steps=3, gradient_checkpointing=True),
        ModelConfig(),
        ChatConfig(lang="zh-Hans", temperature=0.5),
    ],
)
def test_what_is_written_to_json_is_read_back(config: Any) -> None:
    assert from_json(type(config), to_json(config), "run.json") == config


@pytest.mark.parametrize("config", [TrainConfig, ModelConfig, ChatConfig])
def test_every_default_is_a_value_that_may_be_given(config: type) -> None:
    given = {name: value for name, value in to_json(config()).items() if value is not None}
    assert from_json(config, given, "defaults") == config()


# What wins


def test_a_flag_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    path = yaml(tmp_path, "cups: 3\nminutes: 4\n")
    assert build(Tea, {"cups": 5, "minutes": None, "is_hot": None}, path) == Tea(cups=5, minutes=4.0)


def test_a_flag_that_says_no_wins_over_the_file(tmp_path: Path) -> None:
    assert build(Tea, {"is_hot": False}, yaml(tmp_path, "is_hot: true\n")).is_hot is False


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert build(Tea, {}, yaml(tmp_path, "# nothing yet\n")) == Tea()


def test_null_is_the_default_of_a_setting_that_has_none(tmp_path: Path) -> None:
    assert build(Tea, {}, yaml(tmp_path, "pot: null\nguests:\n")) == Tea()


# What is refused


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("cupz: 3", "cupz is not a setting; did you mean cups?"),
        ("xyz: 3", "xyz is not a setting; there are sort, cups, minutes, pot, is_hot, guests, name"),
        ("cups: many", "cups: 'many' is not a valid integer"),
        ("cups: 10", "cups: 10 is not in the range 1<=x<=9"),
        ("minutes: -1", "minutes: -1.0 is not in the range x>=0"),
        ("sort: white", "sort: 'white' is not one of 'green', 'black'"),
        ("cups: [1]", "cups: [1] does not fit"),
        ("cups: null", "cups: None does not fit"),
        ("- cups", "must hold one `key: value` a line, such as `epochs: 3`"),
        ("tea", "must hold one `key: value` a line, such as `epochs: 3`"),
    ],
)
def test_a_fault_of_the_file_is_named_with_file_and_key(tmp_path: Path, content: str, sentence: str) -> None:
    path = yaml(tmp_path, content)
    assert fault_of(path) == f"{path}: {sentence}"


def test_broken_yaml_is_named_with_line_and_column(tmp_path: Path) -> None:
    path = yaml(tmp_path, "cups: 3\nname: 'no end\n")
    sentence = fault_of(path)
    assert sentence.startswith(f"{path}:3:1: is not YAML (")
    assert "\n" not in sentence


def test_a_file_that_is_no_text_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "tea.yaml"
    path.write_bytes(b"cups: \xff\xfe\n")
    assert fault_of(path).startswith(f"{path}: is not YAML (")


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    assert fault_of(tmp_path / "no.yaml") == f"{tmp_path / 'no.yaml'}: no such file; check the path"


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("cups", "0", "/set: cups: 0 is not in the range 1<=x<=9"),
        ("cup", "1", "/set: cup is not a setting; did you mean cups?"),
        ("is_hot", "maybe", "/set: is_hot: 'maybe' is not a valid boolean"),
    ],
)
def test_a_change_that_cannot_be_is_refused(key: str, value: str, sentence: str) -> None:
    with pytest.raises(UserError) as raised:
        change(Tea(), key, value)
    assert str(raised.value).startswith(sentence)


def test_a_change_leaves_the_rest(tmp_path: Path) -> None:
    assert change(Tea(cups=4), "minutes", "7") == Tea(cups=4, minutes=7.0)


@pytest.mark.parametrize("tag", ["ja", "en", "zh-Hans", "zh-Hant", "ko", "pt-BR", "ja-JP", "zh-CN", "fil"])
def test_a_language_tag_is_taken(tag: str) -> None:
    assert keeps_contract({"instruction": "q", "reasoning": "r", "answer": "a", "language": tag})
    assert change(ChatConfig(), "lang", tag).lang == tag


@pytest.mark.parametrize("tag", ["", "japanese please", "j", "日本語", "ja_JP", "jp", "JP", "cn", "jp-JP", "Japanese"])
def test_what_is_no_language_tag_is_refused(tag: str) -> None:
    assert not keeps_contract({"instruction": "q", "reasoning": "r", "answer": "a", "language": tag})
    with pytest.raises(UserError, match="is not a language tag such as ja, en or zh-Hans"):
        change(ChatConfig(), "lang", tag)


@pytest.mark.parametrize(
    ("key", "value"),
    [("learning_rate", "nan"), ("learning_rate", "1e30"), ("epochs", "inf"), ("seed", "4294967296"),
     ("batch_size", "99999999999999999999"), ("max_steps", "99999999999999999999"), ("base", "a\0b")],
)  # fmt: skip
def test_a_number_that_no_library_could_take_is_refused(key: str, value: str) -> None:
    with pytest.raises(UserError, match=f"/set: {key}: "):
        change(TrainConfig(), key, value)
