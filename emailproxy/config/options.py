"""How is one option read, checked and, if it is wrong, complained about?

A `Reader` looks at one section. It gives back values of the right type, and notes a fault (and gives back a default)
where it cannot, so that one run finds everything. Messages show values only where a value can never be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from emailproxy.config.deferred import nearest
from emailproxy.config.model import Fault
from emailproxy.config.syntax import Section
from emailproxy.references.base import Fetched, Reference

__all__ = ["CONTENT", "PLACEHOLDER", "Findings", "Option", "Reader", "is_host", "is_loopback", "printable_url"]

PLACEHOLDER: Final = "*** your"
"""How a sample marks a value that a person must replace."""

CONTENT: Final = frozenset(
    {
        "client_ca_path",
        "console_certificate_path",
        "console_key_path",
        "jwt_certificate_path",
        "jwt_key_path",
        "local_certificate_path",
        "local_key_path",
    }
)
"""Options that name a file; a reference in their place leads to what the file would hold."""

# Above it two names are one name mistyped ("server_adress", "redirect_url"), below it they are two names.
SIMILARITY: Final = 0.8
# A broken multi-line value (a private key, say) can look like an option; only what looks like a name is repeated.
_NAME: Final = re.compile(r"[a-z]+(?:[_ .-][a-z0-9]+)*")
_MAX_NAME: Final = 48
_STATES: Final = dict.fromkeys(("1", "yes", "true", "on"), True) | dict.fromkeys(("0", "no", "false", "off"), False)
_SPACE: Final = re.compile(r"\s")


@dataclass(slots=True)
class Findings:
    """Collects faults and warnings about one file, each once."""

    file: str
    faults: dict[Fault, None] = field(default_factory=dict)
    """In the order in which they were found, each once: a template's mistake is met with every account it completes."""
    warnings: dict[Fault, None] = field(default_factory=dict)

    @property
    def said(self) -> int:
        """How much there is to be said by now."""
        return len(self.faults) + len(self.warnings)

    def fault(self, section: str | None, option: str | None, problem: str, remedy: str) -> None:
        """Note what makes the configuration unusable."""
        self.faults[Fault(self.file, section, option, problem, remedy)] = None

    def warn(self, section: str | None, option: str | None, problem: str, remedy: str) -> None:
        """Note what works but is probably not meant."""
        self.warnings[Fault(self.file, section, option, problem, remedy)] = None

    def check_names(self, section: str, names: Iterable[str], known: Collection[str]) -> None:
        """Unknown option names: a fault if one of `known` is near, else a warning (old files carry other things)."""
        for name in sorted(set(names) - set(known)):
            near = nearest(name, known, SIMILARITY)
            if near:
                self.fault(section, _printable_name(name), "there is no such option", f"did you mean {near}?")
            else:
                self.warn(section, _printable_name(name), "this option is unknown and ignored", "remove it")


@dataclass(frozen=True, slots=True)
class Option:
    """A value and the section it was written in (a template, for what an account inherits)."""

    text: str
    section: str
    referred: Reference | Fetched | None = None
    """If it is a reference: the reference, or what it led to."""
    missing: bool = False
    """It is a reference that could not be followed, and that was said."""

    @classmethod
    def of(cls, source: Section, name: str, section: str | None = None) -> Option:
        """The option `name` of `source`, said to stand in `section` (None: there)."""
        referred = source.referred.get(name)
        missing = name in source.referred and referred is None
        return cls(source.options[name], section or source.name, referred, missing)


class Reader:
    """Typed, checked access to the options of `section`. An empty value counts as absent."""

    def __init__(self, section: str, options: Mapping[str, Option], findings: Findings) -> None:
        self.section = section
        self._options = options
        self._findings = findings

    def source(self, name: str) -> str:
        """The section in which the option `name` stands; the section itself if it is absent."""
        option = self._options.get(name)
        return option.section if option is not None else self.section

    def text(self, name: str) -> str | None:
        """The value, or None."""
        option = self._options.get(name)
        return None if option is None or option.missing else option.text.strip() or None

    def reference(self, name: str) -> Reference | None:
        """The reference that the value is, if it is to be followed at each use."""
        referred = self._options[name].referred if name in self._options else None
        return referred if isinstance(referred, Reference) else None

    def is_fetched(self, name: str) -> bool:
        """Whether the value was read from elsewhere."""
        return name in self._options and isinstance(self._options[name].referred, Fetched)

    def placeholder(self, name: str) -> bool:
        """Whether the value is still the sample's."""
        return PLACEHOLDER in (self.text(name) or "")

    def required(self, name: str, remedy: str) -> str | None:
        """The value (of a reference: its address); a fault if there is none."""
        value = self.text(name)
        if value is None:
            self.fault(name, "this required option is missing", remedy)
        return value

    def boolean(self, name: str, default: bool = False, *, remedy: str = "write True or False") -> bool:
        """``True``/``False`` in the spellings of `configparser`: 1/0, yes/no, true/false, on/off in any case."""
        value = self.text(name)
        if value is None:
            return default
        state = _STATES.get(value.lower())
        if state is None:
            self.fault(name, f"{_shortened(value)} is neither True nor False", remedy)
            return default
        return state

    def port(self, name: str) -> int | None:
        """A TCP port; a fault if it is none, None if it is absent."""
        value = self.text(name)
        if value is None or self.placeholder(name):
            return None
        if not (value.isascii() and value.isdigit()):
            self.fault(name, f"port {_shortened(value)} is not a number", "write a port between 1 and 65535")
            return None
        number = int(value) if len(value) <= _MAX_NAME else 0
        if not 1 <= number <= 65535:
            self.fault(name, f"port {_shortened(value)} is outside 1-65535", "write a port between 1 and 65535")
            return None
        return number

    def integer(self, name: str, default: int, *, least: int) -> int:
        """A whole number of at least `least`."""
        value = self.text(name)
        if value is None:
            return default
        # Nine digits are beyond any limit that can be meant.
        if not (value.isascii() and value.isdigit() and len(value) <= 9) or int(value) < least:
            self.fault(name, f"{_shortened(value)} is not a whole number from {least} up", f"for instance {default}")
            return default
        return int(value)

    def seconds(self, name: str, default: float | None) -> float | None:
        """A duration in seconds, zero or more."""
        value = self.text(name)
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
            self.fault(name, f"{_shortened(value)} is not a number of seconds", "write a number such as 30 or 2.5")
            return default
        return float(value)

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """One of `choices` in any case; the first if absent."""
        value = self.text(name)
        if value is None or value.lower() not in choices:
            if value is not None:
                self.fault(name, f"{_shortened(value)} is not possible", f"write one of {', '.join(choices)}")
            return choices[0]
        return value.lower()

    def path(self, name: str) -> Path | Fetched | None:
        """A file's path, relative to the working directory, ``~`` allowed; or what was read from there."""
        value = self.text(name)
        referred = self._options[name].referred if value is not None else None
        if isinstance(referred, Fetched):
            return referred
        if value is None:
            return None
        return Path(value).expanduser() if value.startswith("~") else Path(value)

    def url(self, name: str) -> str | None:
        """An http(s) URL with a host; plain http to another machine is warned about."""
        value = self.text(name)
        if value is None or self.placeholder(name):
            return value
        parts = split_url(value)
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
            self.fault(name, f"{printable_url(value)} is not an http or https URL", "write https://HOST/PATH")
        elif parts.scheme == "http" and not is_loopback(parts.hostname):
            self.warn(name, f"{printable_url(value)} is not encrypted", "use https, since secrets travel there")
        return value

    def fault(self, name: str | None, problem: str, remedy: str) -> None:
        """Note a fault of the option `name` where it stands."""
        told = self._told(name, problem)
        if told is not None:
            self._findings.fault(self.source(name) if name else self.section, name, told, remedy)

    def warn(self, name: str | None, problem: str, remedy: str) -> None:
        """Note a warning about the option `name` where it stands."""
        told = self._told(name, problem)
        if told is not None:
            self._findings.warn(self.source(name) if name else self.section, name, told, remedy)

    def _told(self, name: str | None, problem: str) -> str | None:
        """The problem without what a reference led to: by a slip of the pen, that may be somebody's secret."""
        option = self._options.get(name) if name else None
        if option is None or name in CONTENT:
            return None if option is not None and option.missing else problem
        if option.missing:
            return None
        return f"what {option.referred} holds does not fit" if isinstance(option.referred, Fetched) else problem


def split_url(text: str) -> SplitResult | None:
    """The parts of a URL whose port is a port; None if it has none such."""
    if _SPACE.search(text):
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises where the port is not one
    except ValueError:
        return None
    return parts


def printable_url(text: str) -> str:
    """`text` for a message: without user information, query and fragment, which may hold secrets."""
    parts = split_url(text)
    if parts is None or not parts.scheme or not parts.netloc:
        return "the value"
    return _shortened(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")


def is_host(name: str) -> bool:
    """Whether a look-up can be asked for `name`: a label that is empty or too long is an error even there."""
    if name.isascii():  # without the codec for international names, which takes long to load
        *labels, last = name.split(".")
        return all(0 < len(label) < 64 for label in labels) and len(last) < 64
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine is reached under `host`, as far as that can be told without a look-up."""
    host = host.strip("[]").casefold()
    return host in {"localhost", "::1", "0:0:0:0:0:0:0:1"} or bool(re.fullmatch(r"127(\.[0-9]{1,3}){3}", host))


def _shortened(value: str) -> str:
    text = value if value.isprintable() else ascii(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _printable_name(name: str) -> str:
    return name if len(name) <= _MAX_NAME and _NAME.fullmatch(name) else "(a name that is not shown)"
