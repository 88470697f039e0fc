"""How does a deployment become ``emailproxy.config``? Looked at by the reader of configurations, written in one piece.

What stands elsewhere (a certificate or the service key in a vault) is not looked up for that: whoever deploys need not
be let into the vault, nor have its SDK. ``emailproxy check --resolve`` does it where the proxy runs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from emailproxy.assertions.base import Statement
from emailproxy.assertions.issuers import Issuers
from emailproxy.config import Config, ConfigError, Fault, load
from emailproxy.deploying.outputs import Deployment
from emailproxy.references.base import SecretValue
from emailproxy.references.sources import Sources
from emailproxy.secret import Secret

__all__ = ["checked", "text", "write"]

HEADER: Final = (
    "# Written by emailproxy deploy-config from the outputs of Terraform. No secret stands here, and none belongs here;"
    " docs/configuration.md explains each option.\n"
)
SETTINGS: Final = "emailproxy"

# Followed when a token is needed, so that checking them asks nobody.
_LATER: Final = frozenset({"client_id", "client_secret"})
_REFERENCES: Final = ("aws", "azure", "env", "file", "gcp")
_ISSUERS: Final = ("adc", "aws", "file", "gcp", "managed-identity", "workload-identity")


def text(deployment: Deployment) -> str:
    """The file: settings, servers, accounts, and the options of each in alphabetical order."""
    return HEADER + _sections(deployment.sections)


def checked(deployment: Deployment, name: Path) -> Config:
    """What the proxy will make of it, but for values that stand elsewhere. Blocks.

    Args:
        deployment: what to look at.
        name: how messages name the file, which need not be there.

    Raises:
        ConfigError: it has faults.
    """
    local = {
        section: {option: value for option, value in options.items() if option in _LATER or not _is_reference(value)}
        for section, options in deployment.sections.items()
    }
    with (
        tempfile.TemporaryDirectory(prefix="emailproxy-") as folder,
        closing(Sources(dict.fromkeys(_REFERENCES, _Unasked))) as sources,
        closing(Issuers(dict.fromkeys(_ISSUERS, _Unissued))) as issuers,
    ):
        path = Path(folder) / "emailproxy.config"
        path.write_text(_sections(local), "utf-8")
        try:
            config = load(path, sources, issuers)
        except ConfigError as error:
            raise ConfigError(_named(error.faults, name), _named(error.warnings, name)) from None
        return replace(config, path=name, warnings=_named(config.warnings, name))


def write(path: Path, content: str, *, over: bool) -> None:
    """Write the file, readable and writable by its owner only. Blocks.

    Raises:
        FileExistsError: it is there, and `over` is false; it stays as it is.
        OSError: it cannot be written; what was there stays as it was.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if over:
            Path(name).replace(path)
        else:
            # A link, unlike a renaming, never takes the place of a file that came meanwhile.
            os.link(name, path)
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()


def _named(faults: Iterable[Fault], name: Path) -> tuple[Fault, ...]:
    return tuple(replace(fault, file=str(name)) for fault in faults)


def _sections(sections: Mapping[str, Mapping[str, str]]) -> str:
    # Accounts have an @, servers have none.
    order = sorted(sections, key=lambda name: (name != SETTINGS, "@" in name, name))
    blocks = []
    for section in order:
        lines = [f"[{section}]", *(f"{option} = {value}" for option, value in sorted(sections[section].items()))]
        blocks.append("\n" + "\n".join(lines) + "\n")
    return "".join(blocks)


def _is_reference(value: str) -> bool:
    return value.partition(":")[0].lower() in _REFERENCES and ":" in value


class _Unasked:
    """Takes every address for one that leads somewhere, and is never asked where to."""

    blocks = False
    local = False

    def check(self, rest: str) -> None:
        """Whatever it is: where the proxy runs, its SDK is there to tell."""

    def read(self, rest: str, *, dated: bool = False) -> SecretValue:  # noqa: ARG002 - the contract's names
        """Not called: what would be read was left out."""
        raise AssertionError("a reference was followed")

    def close(self) -> None:
        """Nothing is open."""


class _Unissued:
    """Takes every address for one of an issuer, and is never asked for an assertion."""

    def check(self, rest: str) -> None:
        """Whatever it is: where the proxy runs, its SDK is there to tell."""

    def issue(self, rest: str, statement: Statement) -> Secret:  # noqa: ARG002 - the contract's names
        """Not called: nobody logs in."""
        raise AssertionError("an assertion was asked for")

    def close(self) -> None:
        """Nothing is open."""
