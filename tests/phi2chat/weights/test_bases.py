"""Where a base comes from: a folder or the hub, and what is said where it cannot be had."""

from pathlib import Path

import pytest

from curation.errors import UserError
from phi2chat.weights.bases import WAYS_OUT, find_base


def ignore(message: str) -> None:
    pass


def fault_of(folder: Path) -> str:
    with pytest.raises(UserError) as raised:
        find_base(str(folder), ignore)
    return str(raised.value)


def test_a_folder_is_known_by_its_whole_path(tiny_phi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_phi.parent)
    assert find_base(tiny_phi.name, ignore).name == str(tiny_phi)


@pytest.mark.parametrize("name", ["./missing", "/no/such/folder", "~/no-such-folder", "a b", "a/b/c", ""])
def test_what_is_neither_folder_nor_hub_name_is_said_so(name: str) -> None:
    with pytest.raises(UserError) as raised:
        find_base(name, ignore)
    assert str(raised.value) in (
        f"{name}: is no model folder; {WAYS_OUT}",
        f"{name}: is no model folder, it has no config.json; {WAYS_OUT}",
    )


def test_a_file_is_no_model_folder(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text("{}", encoding="utf-8")
    assert fault_of(file) == f"{file}: is no model folder; {WAYS_OUT}"


def test_a_folder_without_config_is_no_model_folder(tmp_path: Path) -> None:
    assert fault_of(tmp_path) == f"{tmp_path}: is no model folder, it has no config.json; {WAYS_OUT}"


@pytest.mark.parametrize("name", ["microsoft/phi-2-not-here", "not-here"])
def test_a_model_that_is_not_cached_cannot_be_had_offline(name: str) -> None:
    said: list[str] = []
    with pytest.raises(UserError) as raised:
        find_base(name, said.append)
    reason = "it is not in the local cache, and the hub cannot be reached"
    assert str(raised.value) == f"{name}: cannot be had, {reason}; {WAYS_OUT}"
    assert said == [f"looking for {name}"]


def test_the_ways_out_are_a_folder_and_the_embedded_model() -> None:
    assert WAYS_OUT == "give a local folder with --base DIR, or try the embedded model with --base smollm2-135m"
