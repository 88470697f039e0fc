"""Which schemas are the modules checked against? Those of ``schemas/``, extracted from npm packages that are named
there.

``python -m tests.terraform.schemas`` extracts them anew for the types that terraform/ uses; with ``--check`` it only
says whether they are what the packages say. Both load about 100 MB, once.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.terraform.extraction import extracted
from tests.terraform.parsing import TERRAFORM, used_types

__all__ = ["PACKAGES", "load", "versions"]

SCHEMAS: Final = Path(__file__).with_name("schemas")
PACKAGES: Final = {
    "aws": "21.22.1",
    "azuread": "14.3.1",
    "azurerm": "14.23.1",
    "google": "16.12.1",
    "time": "11.0.1",
}
"""Provider, and the version of ``@cdktf/provider-NAME``: the last ones that were published."""


@cache
def load(provider: str) -> dict[str, Any]:
    """The schemas of one provider: ``version``, ``package``, ``provider``, ``resource`` and ``data``.

    Raises:
        FileNotFoundError: there is none of this provider.
    """
    found: dict[str, Any] = json.loads((SCHEMAS / f"{provider}.json").read_text("utf-8"))
    return found


def versions() -> dict[str, str]:
    """The version of each provider whose schemas are here."""
    return {provider: load(provider)["version"] for provider in PACKAGES}


def fetch(provider: str) -> Path:
    """The package, loaded by npm unless it is in the cache."""
    place = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "emailproxy-tools" / "npm"
    place.mkdir(parents=True, exist_ok=True)
    name = f"cdktf-provider-{provider}-{PACKAGES[provider]}.tgz"
    if not (place / name).exists():
        package = f"@cdktf/provider-{provider}@{PACKAGES[provider]}"
        subprocess.run(["npm", "pack", "--silent", package], cwd=place, check=True, stdout=subprocess.DEVNULL)
    return place / name


def extract(provider: str, wanted: set[tuple[str, str]]) -> str:
    """The JSON text of one provider's schemas.

    Args:
        provider: such as ``azurerm``.
        wanted: pairs of ``resource`` or ``data`` and a type.

    Raises:
        LookupError: the provider has no such type.
    """
    folders = {_folder(provider, kind, name): (kind, name) for kind, name in wanted}
    folders["provider"] = ("provider", provider)
    found: dict[str, Any] = {
        "package": f"@cdktf/provider-{provider}@{PACKAGES[provider]}",
        "version": "",
        "provider": {},
        "resource": {},
        "data": {},
    }
    with tarfile.open(fetch(provider)) as archive:
        for member in archive:
            parts = member.name.split("/")
            if len(parts) != 4 or parts[1] != "lib" or parts[3] != "index.js" or parts[2] not in folders:
                continue
            file = archive.extractfile(member)
            assert file is not None
            said = extracted(file.read().decode("utf-8"))
            kind, name = folders.pop(parts[2])
            if said is None or (said.kind, said.name) != (kind, name):
                raise LookupError(f"{member.name} is not {kind} {name}")
            found["version"] = said.version
            if kind == "provider":
                found["provider"] = said.schema
            else:
                found[kind][name] = said.schema
    if folders:
        raise LookupError(f"{found['package']} has no {', '.join(f'{kind} {name}' for kind, name in folders.values())}")
    found["resource"] = dict(sorted(found["resource"].items()))
    found["data"] = dict(sorted(found["data"].items()))
    # A line for each argument: that is what changes between versions.
    text = json.dumps(found, indent=1)
    return re.sub(r"\{\s+\"type\":[^{}]*\}", lambda match: " ".join(match[0].split()), text) + "\n"


def _folder(provider: str, kind: str, name: str) -> str:
    short = name.removeprefix(f"{provider}_").replace("_", "-")
    return f"data-{provider}-{short}" if kind == "data" else short


def main() -> int:
    """Extract, or compare; exit status 1 if something differs."""
    used = used_types(TERRAFORM)
    status = 0
    for provider in PACKAGES:
        wanted = {(kind, name) for kind, name in used if name.split("_")[0] == provider}
        text = extract(provider, wanted)
        path = SCHEMAS / f"{provider}.json"
        if "--check" not in sys.argv:
            SCHEMAS.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
        elif path.read_text("utf-8") != text:
            sys.stdout.write(
                f"{path.name} is not what {PACKAGES[provider]} says; run python -m tests.terraform.schemas\n"
            )
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
