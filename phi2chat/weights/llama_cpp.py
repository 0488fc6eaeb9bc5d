"""llama.cpp's own converter to GGUF: where it is found, how it is run, and the command to run it by hand.

The converter is not on the package index under its own name, and what is there is somebody's copy of it, or brings
another `gguf` in the place of ours. So it is used where llama.cpp is installed, and named with its command elsewhere.
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from curation.errors import UserError

SCRIPT = "convert_hf_to_gguf.py"
GUIDE = "CONVERT.md"
OUTTYPES = ("f32", "f16", "bf16", "q8_0", "auto")


def find_converter(llama_cpp_dir: Path | None) -> list[str] | None:
    """How to call the converter: that of a llama.cpp folder, or the one on the PATH; None where there is none."""
    if llama_cpp_dir is not None:
        script = Path(os.path.expanduser(llama_cpp_dir)) / SCRIPT
        if not script.is_file():
            raise UserError(f"{llama_cpp_dir}: has no {SCRIPT}; give the folder of llama.cpp's sources")
        return [sys.executable, str(script.resolve())]
    found = shutil.which(SCRIPT)
    return [found] if found else None


def convert(converter: list[str], model_dir: Path, name: str, outtype: str) -> str | None:
    """Write the GGUF file `name` into a model folder; None, or the last line the converter said if it failed."""
    outfile = model_dir / name
    options = ["--outfile", str(outfile), "--outtype", outtype, "--model-name", outfile.stem]
    try:
        done = subprocess.run(
            [*converter, str(model_dir), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except OSError as error:
        return str(error)
    if done.returncode == 0 and outfile.is_file():
        return None
    outfile.unlink(missing_ok=True)
    said = done.stdout.decode("utf-8", "replace").strip().splitlines()
    return said[-1][:300] if said else f"exit code {done.returncode}"


def convert_command(folder: Path, outtype: str) -> str:
    """The command that makes the GGUF file from the merged model in `folder`, in a folder with llama.cpp's sources."""
    folder = folder.resolve()
    outfile = str(folder / gguf_name(folder))
    return shlex.join(["python", f"llama.cpp/{SCRIPT}", str(folder), "--outfile", outfile, "--outtype", outtype])


def gguf_name(folder: Path) -> str:
    """The name of the GGUF file of a merged model."""
    return f"{folder.name}.gguf"


def write_guide(target: Path, folder: Path, outtype: str) -> None:
    """Write CONVERT.md to `target`: how to make the GGUF file once the model stands in `folder`."""
    fence = "```"
    (target / GUIDE).write_text(
        f"""# From this folder to GGUF

llama.cpp has the converter. Get its sources and what the converter needs, once:

{fence}sh
git clone --depth 1 https://github.com/ggml-org/llama.cpp
python -m pip install torch transformers sentencepiece ./llama.cpp/gguf-py
{fence}

Then convert:

{fence}sh
{convert_command(folder, outtype)}
{fence}

`--outtype` may be {", ".join(OUTTYPES)}. Or let phi2chat do it with the next export: `--gguf --llama-cpp llama.cpp`.
""",
        encoding="utf-8",
    )
