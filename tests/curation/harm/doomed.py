"""Does operations of the writer in forks of a process that strace follows, which kills them or lets their calls fail.

strace counts the calls of each fork from its start. Reads JSON from stdin: {"place": a folder, "runs": [...]}, where a
run has what strace is told (`options`) and the names of its operations, each of which gets a folder of its own.
Writes a line of JSON a run: by operation, what it told, its process, the files, permissions and links that were there
before and after it, after it was done again where it is repeatable, after one more record was added, and after that was
undone; texts are Latin-1, a character a byte. The calls of a process stand in log.PROCESS.
"""

import ctypes
import gc
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from operations import OPERATIONS, files_in, links
from telling import told_by

from curation.journal import undo
from curation.store import append_record

PR_SET_PTRACER, ANY_PROCESS = 0x59616D61, ctypes.c_ulong(-1)


def in_a_fork(work: Callable[[], object], said: int) -> None:
    """Do it in a child, which writes a line of how it ended as its last call, and wait for its end."""
    child = os.fork()
    if child == 0:
        report = json.dumps([told_by(work), os.getpid()]).encode()
        try:
            os.write(said, report)
        except OSError:  # it was the turn of this call to fail
            os.write(said, report)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def under_strace(options: list[str], log: Path, works: list[Callable[[], object]]) -> list[tuple[str, int]]:
    """What each piece of work told, and its process, whose calls stand in LOG.PROCESS; ("", 0) of a killed one."""
    ready, go = os.pipe(), os.pipe()
    said = [os.pipe() for _ in works]
    worker = os.fork()
    if worker == 0:
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANY_PROCESS, 0, 0, 0)  # a sibling may look
        os.write(ready[1], b".")
        os.read(go[0], 1)
        for work, (_, end) in zip(works, said, strict=True):
            in_a_fork(work, end)
        os._exit(0)
    os.read(ready[0], 1)
    tracer = subprocess.Popen(["strace", "-ff", "-qq", "-o", log, *options, "-p", str(worker)], stderr=subprocess.PIPE)
    while "TracerPid:\t0\n" in Path(f"/proc/{worker}/status").read_text():
        if tracer.poll() is not None:
            os.kill(worker, 9)
            raise RuntimeError(f"strace: {tracer.communicate()[1].decode()}")
        time.sleep(0.001)
    os.write(go[1], b".")
    os.waitpid(worker, 0)
    tracer.communicate()
    for _, end in said:
        os.close(end)
    told = [Path(f"/proc/self/fd/{start}").read_bytes() for start, _ in said]
    for handle in (*ready, *go, *(start for start, _ in said)):
        os.close(handle)
    return [tuple(json.loads(line or '["", 0]')) for line in told]


def state(folder: Path) -> dict[str, Any]:
    files = {name: content.decode("latin-1") for name, content in files_in(folder).items()}
    modes = {name: stat.S_IMODE((folder / name).stat().st_mode) for name in files}
    return {"files": files, "modes": modes, "links": links(folder)}


def run(place: Path, options: list[str], names: list[str]) -> dict[str, Any]:
    """A run as the module says, with the log of strace in `place`."""
    shutil.rmtree(place, ignore_errors=True)
    folders = {name: place / name for name in names}
    for name, folder in folders.items():
        folder.mkdir(parents=True)
        OPERATIONS[name].prepare(folder)
    before = {name: state(folder) for name, folder in folders.items()}
    works = [partial(OPERATIONS[name].run, folder) for name, folder in folders.items()]
    told = under_strace(options, place / "log", works)
    results = {
        name: {"told": said, "process": process, "before": before[name], **state(folders[name])}
        for name, (said, process) in zip(names, told, strict=True)
    }
    for name, folder in folders.items():
        file = folder / OPERATIONS[name].file
        if OPERATIONS[name].repeatable:
            results[name]["again"] = {"told": told_by(partial(OPERATIONS[name].run, folder)), **state(folder)}
        told_next = told_by(partial(append_record, file, {"id": "next"}))
        results[name]["next"] = {"told": told_next, **state(folder)}
        results[name]["undone"] = {"told": told_by(partial(undo, file)), **state(folder)}
    return results


def main() -> None:
    gc.disable()  # so that a call has the same number in every fork; and all that is read but once is read here:
    with tempfile.TemporaryDirectory() as folder:
        OPERATIONS["retag"].prepare(Path(folder))
        OPERATIONS["retag"].run(Path(folder))
    order = json.load(sys.stdin)
    for one in order["runs"]:
        print(json.dumps(run(Path(order["place"]), one["options"], one["operations"])), flush=True)


if __name__ == "__main__":
    main()
