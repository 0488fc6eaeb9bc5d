"""Lines of text in Japanese and Chinese: translations of programs and manuals, and our own sentences."""

import json
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import polib

from .letters import HAN, KANA, has_chinese_glyph
from .sources import find_file, folder_of

Line = dict[str, str]  # a text and its translations by language tag
Catalogs = dict[str, dict[str, str]]  # by language tag, the texts of a program by the key that translations share

CHINESE = ("zh-Hans", "zh-Hant")
LANGUAGES = ("ja", *CHINESE)
OWN_TEXT = Path(__file__).parent / "text"
_OWN_COPIES = 8  # our own text is plain prose, which interfaces and manuals are not

_MARKUP = re.compile(r"<[^>]*>|\{[^{}]*\}|\[/?%[^\]]*\]|\$\d|&[a-z]+;|https?://\S+")
_PAYLOAD_ENTRY = re.compile(r"(\w+): '((?:[^'\\]|\\.)*)'")
_HTML_CODE = re.compile(r"<(pre|script|style)\b.*?</\1>", re.DOTALL)
_HTML_BLOCK = re.compile(
    r"<(?:p|li|dd|h2|h3|td)\b[^>]*>(.*?)(?=</(?:p|li|dd|h2|h3|td)>|<(?:p|li|dd|ul|ol|table)\b)", re.DOTALL
)
_EAST_ASIAN = re.compile("[\u3040-\u9fff]")


def read_corpus(work: Path) -> list[Line]:
    """All lines, without repetitions, in an order that depends on the sources alone."""
    found = dict[tuple[str, ...], Line]()
    for line in _read_programs(work):
        usable = {language: text for language, text in line.items() if _is_in(language, text)}
        found.setdefault(tuple(usable.get(language, "") for language in LANGUAGES), usable)
    own = list(_read_own_text())
    return [line for line in found.values() if line] + own * _OWN_COPIES


def _is_in(language: str, text: str) -> bool:
    """Whether a text looks like its language: some are left in English, or hold another language's words."""
    if language != "ja":
        return bool(HAN.search(text)) and not KANA.search(text)
    if has_chinese_glyph(text):
        return len(text) >= 200 and bool(KANA.search(text))
    return bool(HAN.search(text) or KANA.search(text))


def _read_own_text() -> Iterator[Line]:
    for path in sorted(OWN_TEXT.glob("*.txt")):  # ja-everyday.txt, zh-Hans.txt
        language = "ja" if path.stem.startswith("ja") else path.stem
        for text in path.read_text(encoding="utf-8").splitlines():
            if text.strip():
                yield {language: text.strip()}


def _read_programs(work: Path) -> Iterator[Line]:
    readers = (_typescript, _chromium, _home_assistant_screens, _superset, _jupyterlab, _monaco, _payload)
    for read in readers:
        yield from _align(read(work))
    for path in sorted(folder_of(work, "homeassistant").rglob("translations/ja.json")):
        yield from _align({tag: _read_json_tree(path.with_name(f"{tag}.json")) for tag in LANGUAGES})
    for tag in ("ja", "zh-Hans"):
        for text in _apache_paragraphs(work, tag):
            yield {tag: text}


def _by_language(read: Callable[[str], dict[str, str]], names: Iterable[str] = LANGUAGES) -> Catalogs:
    """The catalogs of a program; `names` is what it calls our three languages."""
    return {tag: read(name) for tag, name in zip(LANGUAGES, names, strict=True)}


def _align(catalogs: Catalogs) -> Iterator[Line]:
    """What Japanese has, with its translations."""
    for key in catalogs["ja"]:
        texts = {tag: _clean(catalog.get(key, "")) for tag, catalog in catalogs.items()}
        yield {tag: text for tag, text in texts.items() if text}


def _clean(text: str) -> str:
    return " ".join(_MARKUP.sub("", text).split())


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _read_json_tree(path: Path) -> dict[str, str]:
    """The texts of nested objects by their path; none if there is no such file."""
    return dict(_walk(_read_json(path), path.parent.name)) if path.exists() else {}


def _walk(tree: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for name, branch in tree.items():
            yield from _walk(branch, f"{key}/{name}")
    elif isinstance(tree, str):
        yield key, tree


def _typescript(work: Path) -> Catalogs:
    name = "diagnosticMessages.generated.json"
    return _by_language(
        lambda tag: _read_json(find_file(work, "typescript", f"{tag}/{name}")), ("ja", "zh-cn", "zh-tw")
    )


def _chromium(work: Path) -> Catalogs:
    return _by_language(lambda tag: _read_pak(find_file(work, "chromium-l10n", f"{tag}.pak")), ("ja", "zh-CN", "zh-TW"))


def _read_pak(path: Path) -> dict[str, str]:
    """Chromium's own format, version 5: a header, (number, offset) of each resource, then the resources."""
    data = path.read_bytes()
    version, encoding, count, _ = struct.unpack_from("<IB3xHH", data)
    if (version, encoding) != (5, 1):
        raise ValueError(f"{path}: version {version} in encoding {encoding}, expected 5 in 1 (UTF-8)")
    entries = [struct.unpack_from("<HI", data, 12 + 6 * index) for index in range(count + 1)]
    texts = {str(number): data[start:end].decode("utf-8", "replace") for (number, start), (_, end) in pairwise(entries)}
    return {number: text for number, text in texts.items() if "\ufffd" not in text and len(text) < 3000}


def _home_assistant_screens(work: Path) -> Catalogs:
    def read(tag: str) -> dict[str, str]:
        texts: dict[str, str] = {}
        for path in sorted(folder_of(work, "home-assistant-frontend").rglob(f"{tag}-*.json")):
            texts |= _read_json_tree(path)
        return texts

    return _by_language(read)


def _superset(work: Path) -> Catalogs:
    def read(tag: str) -> dict[str, str]:
        entries = polib.pofile(str(find_file(work, "apache-superset", f"{tag}/LC_MESSAGES/messages.po")))
        return {entry.msgid: entry.msgstr for entry in entries.translated_entries()}

    return _by_language(read, ("ja", "zh", "zh_TW"))


def _jupyterlab(work: Path) -> Catalogs:
    def read(tag: str) -> dict[str, str]:
        texts: dict[str, str] = {}
        for path in sorted(folder_of(work, f"jupyterlab-language-pack-{tag}").rglob("*.json")):
            texts |= {key: forms[0] for key, forms in _read_json(path).items() if key and isinstance(forms, list)}
        return texts

    catalogs = _by_language(read, ("ja-JP", "zh-CN", "zh-TW"))
    # More than half of the Chinese texts have no Japanese beside them; they are worth having alone.
    catalogs["ja"] |= {key: "" for key in catalogs["zh-Hans"] if key not in catalogs["ja"]}
    return catalogs


def _monaco(work: Path) -> Catalogs:
    """An array of messages; the same place is the same message."""

    def read(tag: str) -> dict[str, str]:
        script = find_file(work, "monaco-editor", f"{tag}.js").read_text(encoding="utf-8")
        messages = json.loads(script[script.index("=[") + 1 : script.rindex("]") + 1])
        return {str(place): message for place, message in enumerate(messages) if message}

    return _by_language(read, ("ja", "zh-cn", "zh-tw"))


def _payload(work: Path) -> Catalogs:
    def read(tag: str) -> dict[str, str]:
        script = find_file(work, "@payloadcms/translations", f"{tag}.js").read_text(encoding="utf-8")
        return dict(_PAYLOAD_ENTRY.findall(script))

    return _by_language(read, ("ja", "zh", "zhTw"))


def _apache_paragraphs(work: Path, tag: str) -> Iterator[str]:
    for path in sorted((folder_of(work, "apache2-doc")).rglob(f"manual/{tag.replace('zh-Hans', 'zh-cn')}/**/*.html")):
        page = path.read_text(encoding="utf-8", errors="replace")
        content = _HTML_CODE.sub("", page[max(0, page.find('id="page-content"')) :])
        for block in _HTML_BLOCK.findall(content):
            text = _clean(block)
            letters = len(_EAST_ASIAN.findall(text))
            if letters >= 2 and letters > 0.2 * len(text):  # the rest is left in English
                yield text
