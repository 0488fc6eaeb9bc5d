"""What is to be true of files at any time, whatever happened: `old` and `new` are the files before and after a change.

Files are bytes by name; those whose name begins with a dot are the journal, the lock and temporary files.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import PurePath

Files = Mapping[str, bytes]


def visible(files: Files) -> dict[str, bytes]:
    """The files that a user looks at."""
    return {name: content for name, content in files.items() if not PurePath(name).name.startswith(".")}


def broken(old: Files, new: Files, now: Files, is_saved: bool) -> Iterator[str]:
    """Each promise that files do not keep, if it is said that the new ones are saved, or if it is not."""
    for name in sorted(visible({**old, **new, **now})):
        if now.get(name) not in (old.get(name), new.get(name)):
            yield f"{name} is neither old nor new"
        if is_saved and now.get(name) != new.get(name):
            yield f"{name} is said to be saved, and is not"
        if now.get(name) == new.get(name) != old.get(name) and journal(name) in new:
            digest = hashlib.sha256(new[name]).hexdigest()
            since = entries(now.get(journal(name), b""))[len(entries(old.get(journal(name), b""))) :]
            if digest not in [entry["after"] for entry in since]:
                yield f"{name} is new, and its journal does not know it"
        if not now.get(journal(name), b"").startswith(old.get(journal(name), b"")):
            yield f"{name} has lost a part of its journal"
    if now.get("manifest.json") in (old.get("manifest.json"), new.get("manifest.json")) and not is_whole_split(now):
        yield "the sides are not what the manifest says, and nothing leads on from there"
    if not lines(old) & lines(new) <= lines(now):
        yield "a record is in no file any more"


def journal(name: str) -> str:
    path = PurePath(name)
    return str(path.with_name(f".{path.name}.journal"))


def entries(content: bytes) -> list[dict[str, str]]:
    """The whole entries of a journal."""
    parts = [line.split(b" ", 1) for line in content.split(b"\n") if b" " in line]
    return [json.loads(text) for digest, text in parts if hashlib.sha256(text).hexdigest().encode() == digest]


def lines(files: Files) -> set[bytes]:
    return {line for content in visible(files).values() for line in content.split(b"\n")}


def temporary(files: Files) -> list[str]:
    """The temporary files that nothing speaks of."""
    known = {step[0] for step in steps(files)}
    return [name for name in files if name.endswith(".tmp") and name not in known]


SPLIT = ("manifest.json", "train.jsonl", "eval.jsonl")
INTENT = ".manifest.json.phi2chat.intent"


def steps(files: Files) -> list[list[str]]:
    """What is still to be done in the folder of a split: a temporary file for each of its files."""
    try:
        return json.loads(files.get(INTENT, b"[]"))
    except ValueError:  # it was cut off
        return []


def is_whole_split(files: Files) -> bool:
    """Whether the sides are what the manifest says, if there is one, when what is to be done is done."""
    done = dict(files)
    done.update({name: files[step[0]] for name, step in zip(SPLIT, steps(files), strict=False) if step[0] in files})
    try:
        said = json.loads(done.get("manifest.json", b"{}"))
    except ValueError:
        return False
    return not said or all(
        hashlib.sha256(done.get(f"{side}.jsonl", b"")).hexdigest() == said[side]["sha256"] for side in ("train", "eval")
    )
