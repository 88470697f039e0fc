"""How does somebody at a terminal see what the doctor finds in a running proxy? Its steps, as the proxy tells them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio

from emailproxy.console.messages import Doctor, DoctorDone, Envelope, Snapshot
from emailproxy.doctor.findings import Finding, Outcome, Started
from emailproxy.remote.calls import ask
from emailproxy.remote.errors import RemoteError
from emailproxy.remote.events import follow
from emailproxy.remote.place import ConsolePlace

__all__ = ["examine_there"]


async def examine_there(
    place: ConsolePlace,
    fields: Mapping[str, object],
    tell: Callable[[Started | Finding], None],
    lost: Callable[[str, float], None],
) -> int:
    """Let the proxy at `place` examine itself; how many steps failed.

    Args:
        place: its console.
        fields: of the request ``/api/doctor``.
        tell: hears of each step.
        lost: hears that the connection is lost, and comes back.

    Raises:
        AnswerError: the proxy does not begin.
        RemoteError: it cannot be asked.
    """
    heard, over = trio.Event(), trio.Event()
    steps: list[Doctor | DoctorDone] = []
    run: str | None = None
    failures: int | None = None
    problem: RemoteError | None = None

    def take(message: Doctor | DoctorDone) -> None:
        nonlocal failures
        if isinstance(message, DoctorDone):
            failures = message.failures
            over.set()
        else:
            tell(_step(message))

    async with trio.open_nursery() as nursery:

        def hear(envelope: Envelope, text: str) -> bool:  # noqa: ARG001
            nonlocal problem
            message = envelope.message
            if isinstance(message, Snapshot) and run is not None:
                # Not resumed, so it was missed how the examination went on; perhaps the proxy was started again.
                problem = RemoteError("the connection was lost for too long, or the proxy was restarted; examine again")
                nursery.cancel_scope.cancel()
            if isinstance(message, Doctor | DoctorDone):
                if run is None:
                    steps.append(message)  # it may be ours, which is not known before the answer has come
                elif message.run == run:
                    take(message)
            heard.set()
            return False

        async def listen() -> None:
            nonlocal problem
            try:
                await follow(place, hear, lost)
            except RemoteError as error:
                problem = error
                nursery.cancel_scope.cancel()

        nursery.start_soon(listen)
        try:
            await heard.wait()
            answer = await ask(place, "/api/doctor", fields)
            run = str(answer["run"])
            for message in steps:
                if message.run == run:
                    take(message)
            await over.wait()
        except RemoteError as error:
            problem = error
        nursery.cancel_scope.cancel()
    if problem is not None:
        raise problem
    assert failures is not None
    return failures


def _step(message: Doctor) -> Started | Finding:
    if message.outcome == "running":
        return Started(message.subject, message.step)
    try:
        outcome = Outcome(message.outcome)
    except ValueError:  # of a newer version
        outcome = Outcome.WARNING
    return Finding(
        subject=message.subject,
        step=message.step,
        outcome=outcome,
        told=message.words,
        advice=message.advice or "",
        facts=dict(message.facts),
        seconds=message.seconds,
    )
