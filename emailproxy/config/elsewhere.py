"""Which values stand elsewhere, and what are they? References are followed here, before any value is checked.

Three kinds. *Later*: who the application is (``client_id``, ``client_secret``) is asked for at each token request
(`emailproxy.references.resolver`), so that it can be rotated; here the address is checked, and what is needed for it
installed. *Content*: a certificate or key is read now, and takes the place of a file. *All others* are read now, and
from then on are values like those in the file, except that no message repeats them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from emailproxy.config.deferred import fetch
from emailproxy.config.options import CONTENT, Findings
from emailproxy.config.syntax import Section
from emailproxy.references.base import Fetched, Reference, SecretValue, Use
from emailproxy.references.sources import Sources
from emailproxy.store.base import StoreError

__all__ = ["LATER", "Elsewhere"]

LATER: Final = frozenset({"client_id", "client_secret"})
SECRET: Final = frozenset(
    {
        "client_secret",
        "console_key_path",
        "console_token",
        "local_key_path",
        "jwt_key_path",
        "jwt_key_passphrase",
        "notify_url",
        "seal_key",
        "seal_key_previous",
    }
)
"""What nobody else may be able to read."""

NEVER: Final = frozenset({"client_assertion"})
"""Says itself where something is: ``file:PATH`` is read at each use."""

ORDINARY: Final = 1024
"""Values that are known to be no references: thousands of accounts have the same few URLs."""

_REMEDY: Final = "emailproxy check --resolve tries it again"


class Elsewhere:
    """Follows the references of one configuration file.

    Args:
        sources: who reads.
        findings: where what is wrong with a reference is noted.
    """

    def __init__(self, sources: Sources, findings: Findings) -> None:
        self._sources = sources
        self._findings = findings
        self._uses: list[Use] = []
        self._read: dict[Reference, SecretValue | StoreError] = {}
        self._ordinary: set[str] = set()

    @property
    def uses(self) -> tuple[Use, ...]:
        """Every use of a reference that was met, in the order of the file."""
        return tuple(self._uses)

    def followed(self, sections: Iterable[Section], options: Collection[str]) -> dict[str, Section]:
        """The sections, by name, with what their references lead to. Of the names, only `options` may hold one.

        Blocks, but not without end (`emailproxy.config.fetching`).
        """
        sections = list(sections)
        wanted = frozenset(options) - NEVER
        uses = [use for section in sections for use in self._met(section, wanted)]
        self._uses += uses
        self._fetch({use.reference for use in uses if use.option not in LATER or self._is_local(use.reference)})
        by_section: dict[str, list[Use]] = {}
        for use in uses:
            by_section.setdefault(use.section, []).append(use)
        return {section.name: self._with(section, by_section.get(section.name, ())) for section in sections}

    def _met(self, section: Section, wanted: frozenset[str]) -> list[Use]:
        found = []
        for name, text in section.options.items():
            if name in wanted and ":" in text and text not in self._ordinary:
                reference = self._sources.reference(text.strip())
                if reference is None and len(self._ordinary) < ORDINARY:
                    self._ordinary.add(text)
                elif reference is not None:
                    found.append(Use(section.name, name, reference))
        return found

    def _is_local(self, reference: Reference) -> bool:
        """Whether it costs nothing to look now whether there is something."""
        try:
            return self._sources.is_local(reference)
        except StoreError:
            return False  # `check` says why

    def _fetch(self, references: Collection[Reference]) -> None:
        """Read what was not read yet."""
        wanted = [reference for reference in references if reference not in self._read]
        if wanted:
            self._read |= fetch(self._sources, wanted)

    def _with(self, section: Section, uses: Sequence[Use]) -> Section:
        if not uses:
            return section
        options = dict(section.options)
        referred: dict[str, Reference | Fetched | None] = {}
        for use in uses:
            referred[use.option] = self._later(use) if use.option in LATER else self._now(use, options)
        return replace(section, options=options, referred=referred)

    def _later(self, use: Use) -> Reference | None:
        try:
            self._sources.check(use.reference)
        except StoreError as error:
            self._fault(use, error)
            return None
        found = self._read.get(use.reference)
        if isinstance(found, StoreError):
            # A mounted secret may come after the start, so this need not be the end.
            problem, _, remedy = str(found).partition("; ")
            self._findings.warn(use.section, use.option, problem, remedy or _REMEDY)
        elif found is not None:
            self._remark(use, found)
        return use.reference

    def _now(self, use: Use, options: dict[str, str]) -> Fetched | None:
        found = self._read[use.reference]
        if isinstance(found, StoreError):
            self._fault(use, found)
            return None
        self._remark(use, found)
        if use.option not in CONTENT:
            try:
                options[use.option] = found.value.octets.decode()
            except UnicodeDecodeError:
                self._findings.fault(
                    use.section, use.option, f"what {use.reference} holds is no text in UTF-8", "keep text there"
                )
                return None
        return Fetched(use.reference, found.value)

    def _remark(self, use: Use, found: SecretValue) -> None:
        if found.remark and use.option in SECRET:
            problem, _, remedy = found.remark.partition("; ")
            self._findings.warn(use.section, use.option, f"{use.reference}: {problem}", remedy)

    def _fault(self, use: Use, error: StoreError) -> None:
        problem, _, remedy = str(error).partition("; ")
        self._findings.fault(use.section, use.option, problem, remedy or _REMEDY)
