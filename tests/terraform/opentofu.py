"""How is OpenTofu had where no release can be downloaded? Built from the Go module, which takes some minutes once.

``go install …@VERSION`` refuses it, since its go.mod replaces a module; so its source is copied and built where it is
the main module. What only serves remote and encrypted state is taken out of the two files that list it: the SDKs of all
clouds are a good part of the work, and no check here has a backend.

``python -m tests.terraform.opentofu`` prints the path of the program, and builds it if it is not there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["VERSION", "built", "without_clouds"]

MODULE: Final = "github.com/opentofu/opentofu"
VERSION: Final = "v1.12.6"

CLOUDS: Final = ("internal/backend/init/init.go", "internal/encryption/default_registry.go")
# Import names of the backends and key providers that are left out.
_BACKENDS: Final = ("Azure", "Consul", "Cos", "GCS", "HTTP", "Kubernetes", "OSS", "Pg", "S3")
_KEY_PROVIDERS: Final = ("aws_kms", "azure_vault", "gcp_kms", "openbao")


def cache() -> Path:
    """Where programs that took long to build are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "emailproxy-tools" / "bin"


def built() -> Path:
    """The program; built if it is not there yet.

    Raises:
        FileNotFoundError: there is no Go.
        subprocess.CalledProcessError: it does not build; what the compiler said is on stderr.
    """
    program = cache() / f"tofu-{VERSION}"
    if program.exists():
        return program
    if shutil.which("go") is None:
        raise FileNotFoundError("go is needed to build OpenTofu; install Go 1.26 or newer")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), program)
    return program


def build(room: Path, program: Path) -> None:
    """Build `program` in the empty folder `room`."""
    said = _go(room, "mod", "download", "-json", f"{MODULE}@{VERSION}")
    source = room / "source"
    shutil.copytree(json.loads(said)["Dir"], source, copy_function=shutil.copyfile)
    for folder in [source, *(path for path in source.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
    for path in CLOUDS:
        file = source / path
        file.write_text(without_clouds(file.read_text("utf-8")), "utf-8")
    _go(source, "build", "-trimpath", "-ldflags=-s -w", "-o", f"{program}.new", "./cmd/tofu")
    # Only a whole program gets the name that is looked for.
    Path(f"{program}.new").replace(program)


def without_clouds(text: str) -> str:
    """One of the two Go files without the backends and key providers that need a cloud's SDK."""
    for name in _BACKENDS:
        text = re.sub(rf"^.*\bbackend{name}\b.*\n", "", text, flags=re.MULTILINE)
    for name in _KEY_PROVIDERS:
        text = re.sub(rf'^\t".*/keyprovider/{name}"\n', "", text, flags=re.MULTILINE)
        text = re.sub(
            rf"^\tif err := DefaultRegistry\.\w+\({name}\.New\(\)\).*?^\t\}}\n",
            "",
            text,
            flags=re.MULTILINE | re.DOTALL,
        )
    return text


def _go(room: Path, *arguments: str) -> str:
    # Anything that is not a module of ours would be taken from a workspace file above.
    environment = os.environ | {"GOWORK": "off", "GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "0"}
    done = subprocess.run(["go", *arguments], cwd=room, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    sys.stdout.write(f"{built()}\n")
