"""How does a step end, and who is told? Values for whoever shows them, and the one place that measures time."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import trio

from emailproxy.causes.base import Cause
from emailproxy.failures import ProxyError

__all__ = ["Examination", "Finding", "Outcome", "ProblemError", "Started", "Tell", "Verdict"]


class Outcome(enum.Enum):
    """How a step ended."""

    OK = "ok"
    WARNING = "warning"
    """It works, and something about it should be looked at."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """It was not tried; `Finding.told` says why."""


@dataclass(frozen=True, slots=True)
class Started:
    """A step is under way."""

    subject: str
    step: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One step, done."""

    subject: str
    """What was looked at, e.g. ``IMAP outlook.office365.com:993``."""
    step: str
    """What was tried, e.g. ``TLS``."""
    outcome: Outcome
    told: str = ""
    """What was found, or the words of whoever refused: printable, one line, without a secret."""
    advice: str = ""
    """The one thing to do, if there is one."""
    cause: Cause | None = None
    """The known cause that `told` was recognised as."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Details by name, for people and programs; no secret."""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a step that worked has to say."""

    told: str = ""
    outcome: Outcome = Outcome.OK
    advice: str = ""
    cause: Cause | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


class ProblemError(ProxyError):
    """A step did not work."""

    def __init__(self, told: str, cause: Cause | None = None, advice: str = "", facts: Mapping[str, str] | None = None):
        super().__init__(told)
        self.told = told
        self.cause = cause
        self.advice = advice or (cause.advice if cause is not None else "")
        self.facts = facts or {}


Tell = Callable[[Started | Finding], None]


class Examination:
    """Runs steps and tells of them.

    Args:
        tell: hears of each step twice, when it starts and when it is done.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.failures = 0
        """Steps that failed so far."""

    async def attempt(self, subject: str, step: str, do: Callable[[], Awaitable[Verdict]]) -> bool:
        """Do it and tell how it went; whether it worked."""
        self._tell(Started(subject, step))
        begun = trio.current_time()
        try:
            verdict = await do()
        except ProblemError as problem:
            self.report(
                Finding(
                    subject,
                    step,
                    Outcome.FAILED,
                    problem.told,
                    problem.advice,
                    problem.cause,
                    problem.facts,
                    trio.current_time() - begun,
                )
            )
            return False
        self.report(
            Finding(
                subject,
                step,
                verdict.outcome,
                verdict.told,
                verdict.advice or (verdict.cause.advice if verdict.cause is not None else ""),
                verdict.cause,
                verdict.facts,
                trio.current_time() - begun,
            )
        )
        return verdict.outcome is not Outcome.FAILED

    def report(self, finding: Finding) -> None:
        """Tell of a step that took no time, or was not tried."""
        if finding.outcome is Outcome.FAILED:
            self.failures += 1
        self._tell(finding)
