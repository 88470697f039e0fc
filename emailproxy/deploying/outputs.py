"""What did Terraform make? Its output ``emailproxy``, checked whole before anything is written.

The output is an object: ``format`` (1), ``sections`` (names, options and values of the configuration), ``cache_store``
(the address of the store), ``extras`` (what to install) and ``next_steps`` (sentences).
``terraform/modules/configuration`` makes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, quote

from emailproxy.failures import ProxyError

__all__ = ["Deployment", "OutputsError", "as_myself", "read"]

OUTPUT: Final = "emailproxy"
FORMAT: Final = 1
MAX_OCTETS: Final = 64 * 1024 * 1024
"""A hundred thousand accounts are less; a disk image by mistake must not fill the memory."""

_FIELDS: Final = frozenset({"format", "sections", "cache_store", "extras", "next_steps"})
_EXTRA: Final = re.compile(r"[a-z0-9-]+")
_HOW: Final = "give it what `tofu output -json` (or `terraform output -json`) prints"


class OutputsError(ProxyError):
    """The outputs cannot be used; `faults` says everything that is wrong with them."""

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the proxy needs to serve what Terraform made. Contains no secret."""

    sections: Mapping[str, Mapping[str, str]]
    cache_store: str
    extras: tuple[str, ...]
    next_steps: tuple[str, ...]


def read(octets: bytes) -> Deployment:
    """Take `octets` apart: all outputs as JSON, or the value of the one output.

    Raises:
        OutputsError: they are no such thing. The messages repeat no value, which might be a secret of something else.
    """
    if len(octets) > MAX_OCTETS:
        raise OutputsError(f"these are more than {MAX_OCTETS} octets, and no outputs; {_HOW}")
    try:
        found: object = json.loads(octets.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise OutputsError(f"this is no JSON; {_HOW}") from None
    value = _value(found)
    if value.get("format") != FORMAT:
        raise OutputsError(f"the output {OUTPUT} is not of format {FORMAT}; use modules and emailproxy of one version")
    if faults := tuple(_faults(value)):
        raise OutputsError(*faults)
    sections, cache_store = value["sections"], value["cache_store"]
    extras, next_steps = value["extras"], value["next_steps"]
    assert isinstance(sections, dict)
    assert isinstance(cache_store, str)
    assert isinstance(extras, list)
    assert isinstance(next_steps, list)
    return Deployment(sections, cache_store, tuple(extras), tuple(next_steps))


def as_myself(deployment: Deployment) -> Deployment:
    """The same for a person's machine: that person's own login reaches Azure, not the proxy's managed identity."""
    return replace(
        deployment,
        sections={
            section: {option: _without_identity(value) for option, value in options.items()}
            for section, options in deployment.sections.items()
        },
        cache_store=_without_identity(deployment.cache_store),
    )


def _value(found: object) -> dict[str, object]:
    """The value of the output, whether it came alone, or among all with what Terraform says of each."""
    if isinstance(found, dict) and "format" in found:
        return found
    if not isinstance(found, dict) or OUTPUT not in found:
        raise OutputsError(
            f"there is no output {OUTPUT}; add it: output {OUTPUT!r} {{ value = module.configuration.emailproxy }}"
        )
    described = found[OUTPUT]
    value = described.get("value") if isinstance(described, dict) else None
    if not isinstance(value, dict):
        raise OutputsError(f"the output {OUTPUT} is no object; pass on the one of the module configuration")
    return value


def _faults(value: dict[str, object]) -> Iterator[str]:
    for name in sorted(value.keys() - _FIELDS):
        yield f"{OUTPUT}.{name} is unknown; use modules and emailproxy of one version"
    cache_store = value.get("cache_store")
    if not isinstance(cache_store, str) or not _is_line(cache_store):
        yield f"{OUTPUT}.cache_store is no line of text"
    for name in ("extras", "next_steps"):
        listed = value.get(name)
        if not isinstance(listed, list) or not all(isinstance(entry, str) and _is_line(entry) for entry in listed):
            yield f"{OUTPUT}.{name} is no list of lines"
        elif name == "extras" and not all(_EXTRA.fullmatch(entry) for entry in listed):
            yield f"{OUTPUT}.extras holds what is no name of an extra"
    sections = value.get("sections")
    if not isinstance(sections, dict) or not sections:
        yield f"{OUTPUT}.sections is no object, or empty"
        return
    for section, options in sections.items():
        if not _is_line(section) or "]" in section or section == "DEFAULT":
            yield f"{OUTPUT}.sections has a name that is none of a section: {section[:80]!r}"
        elif not isinstance(options, dict):
            yield f"{OUTPUT}.sections[{section!r}] is no object"
        else:
            yield from _option_faults(section, options)


def _option_faults(section: str, options: dict[str, object]) -> Iterator[str]:
    for option, text in options.items():
        if not re.fullmatch(r"[a-z0-9_]+", option):
            yield f"{OUTPUT}.sections[{section!r}] has a name that is none of an option: {option[:80]!r}"
        elif not isinstance(text, str) or not _is_line(text):
            yield f"{OUTPUT}.sections[{section!r}].{option} is no line of text"


def _is_line(text: str) -> bool:
    """One line, not empty, and nothing at its ends that the file would lose."""
    return bool(text) and text == text.strip() and text.isprintable()


def _without_identity(text: str) -> str:
    if not text.startswith("azure:"):
        return text
    place, mark, query = text.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != "identity"]
    options = "&".join(f"{name}={quote(value, safe=':/')}" for name, value in kept)
    return f"{place}{mark}{options}" if options else place
