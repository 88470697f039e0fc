"""What is raised when a configuration cannot be used? Every fault of it, at once."""

from __future__ import annotations

from collections.abc import Iterable

from emailproxy.config.model import Fault
from emailproxy.failures import ProxyError
from emailproxy.references.base import Use

__all__ = ["ConfigError", "CredentialError", "Part"]

Part = str
"""The option that is to blame."""


class CredentialError(ProxyError):
    """A certificate or key cannot be used: which option is to blame, what is wrong, and what would be right."""

    def __init__(self, part: Part, problem: str, remedy: str) -> None:
        super().__init__(f"{part}: {problem}; {remedy}")
        self.part = part
        self.problem = problem
        self.remedy = remedy


class ConfigError(ProxyError):
    """The configuration has faults; `str` prints one per line."""

    def __init__(self, faults: Iterable[Fault], warnings: Iterable[Fault] = (), references: Iterable[Use] = ()) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        """What must be mended, never empty."""
        self.warnings: tuple[Fault, ...] = tuple(warnings)
        """What was noticed besides."""
        self.references: tuple[Use, ...] = tuple(references)
        """Where values stand elsewhere."""
        super().__init__("\n".join(str(fault) for fault in self.faults))
