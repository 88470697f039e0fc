"""How is one secret of AWS Secrets Manager replaced so that no writer's work is lost?

The staging label AWSCURRENT names the version that counts, and moving it is the service's compare-and-swap: the move
names the version that it takes the label from, and fails if another has it. So a new value is first put under a label
of its own, which nobody reads; then AWSCURRENT moves; then the label of its own goes. A version without labels is
deleted by the service. A crash in between leaves a labelled version behind, harmless but never deleted: such labels
carry the time, and later writers sweep them.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from emailproxy.store.base import StoreAddressError, StoreDeniedError, StoreError, StoreUnavailableError
from emailproxy_backends.aws_calls import ABSENT, CURRENT, EXISTS, FULL, NOT_NOW, AnswerError, Described, Service

__all__ = ["SIZE_LIMIT", "Held", "Secrets"]

logger = logging.getLogger("emailproxy.store.aws")

SIZE_LIMIT: Final = 65_536
"""Octets of a secret's value; the service's limit."""

# A writer that loses reads again and tries again. Competitors on one document take a fraction of a second each; more
# attempts than this, or more time (CachedStore gives 15 s), is a store in trouble.
MAX_ATTEMPTS: Final = 24
MAX_SECONDS: Final = 12.0
MAX_PAUSE: Final = 0.5
# A restored secret may take a moment to answer again, and one just deleted for good to make room for its name.
RESTORE_POLL: Final = 0.25
# After a failed move the service may show the old state for a moment ("eventually consistent").
REREADS: Final = 3

_LABEL: Final = "p-"
# A writer needs seconds from its put to the end; clocks of replicas differ by minutes at the worst.
LEFTOVER_AGE: Final = 15 * 60
# A crash is rare, and leaves one label; a secret may have 20.
SWEEP_INTERVAL: Final = 6 * 3600


@dataclass(frozen=True, slots=True)
class Held:
    """What a secret holds."""

    version: str | None
    """AWSCURRENT's; None: there is none."""
    text: str | None
    """Its value; None: it has none, or none to be read now."""
    deleted: bool = False
    """Marked for deletion, or so until a moment ago and not changed since: no record for a reader, but not gone."""


class _Lost(Exception):  # noqa: N818 - an outcome, not a fault
    """Another writer was faster."""


class Secrets:
    """Secrets by name, read and replaced. Thread-safe."""

    def __init__(self, address: str, service: Service, *, unconditional_if_denied: bool = False) -> None:
        """Use `service`.

        Args:
            address: the store's, for messages.
            service: what the calls go to.
            unconditional_if_denied: without the permission to move labels, compare and then put: good enough for one
                proxy, and all that the classic proxy's permissions allow.
        """
        self._address = address
        self._service = service
        self._lenient = unconditional_if_denied
        self._conditional = True
        self._swept: dict[str, float] = {}
        self._sweeping = threading.Lock()
        self._sweeps = True

    @property
    def service(self) -> Service:
        """What the calls go to."""
        return self._service

    def read(self, name: str) -> Held | None:
        """What the secret holds; None if there is no secret, or one that never had a value.

        Raises:
            StoreError: could not tell.
        """
        try:
            return Held(*self._service.get(name))
        except AnswerError as answer:
            if answer.code == ABSENT:
                return None
            if answer.code != NOT_NOW:
                raise
            return self._read_deleted(name, answer)

    def update(self, name: str, change: Callable[[Held | None], str | None], description: str) -> str | None:
        """Replace the secret's value by what `change` makes of it; if another was faster, of what there is then.

        Args:
            name: the secret's name or ARN.
            change: makes the new value of what is held; None leaves it. An error that it raises ends the update. It is
                asked before a deleted secret is restored, too, and then about one without a value.
            description: for a secret that has to be created.

        Returns:
            The version that is AWSCURRENT now; None if there is none, because `change` left nothing as it was.

        Raises:
            StoreError: the old value is untouched.
        """
        end = time.monotonic() + MAX_SECONDS
        deleted: Held | None = None
        for attempt in range(MAX_ATTEMPTS):
            if attempt and time.monotonic() > end:
                break
            held = self.read(name)
            if held is not None and held.deleted:
                # A stale or needless write brings nothing back.
                if change(held) is None:
                    return held.version
                deleted = held
                self._restore(name, end)
                continue
            if deleted is not None and held is not None and held.version == deleted.version:
                held = replace(held, deleted=True)
            text = change(held)
            if text is None:
                return held.version if held is not None else None
            try:
                version = self._write(name, text, held, description)
            except _Lost:
                time.sleep(random.uniform(0, min(MAX_PAUSE, 0.02 * 2**attempt)))  # noqa: S311 - spreads competitors
                continue
            self._sweep_sometimes(name)
            return version
        raise StoreUnavailableError(
            f"{self._address}: {name} changes faster than it can be written ({MAX_ATTEMPTS} attempts, "
            f"{MAX_SECONDS:.0f} s); see what else writes it, or use one secret for each account"
        )

    def delete(self, name: str, check: Callable[[Held], None]) -> bool:
        """Mark the secret for deletion, whatever its version; False if it has no value, or is marked already.

        Args:
            name: the secret's name or ARN.
            check: raises if what is held must stay.

        Raises:
            StoreError: it is not certain that the secret is marked.
        """
        held = self.read(name)
        if held is None or held.deleted or held.text is None:
            return False
        check(held)
        try:
            self._service.delete(name)
        except AnswerError as answer:
            # It was there a moment ago: somebody else was faster, or the answer to the first attempt got lost.
            if answer.code == ABSENT:
                return True
            if answer.code != NOT_NOW or not self._service.describe(name).deleted:
                raise
        return True

    def _read_deleted(self, name: str, answer: AnswerError) -> Held:
        described = self._service.describe(name)
        if not described.deleted:
            raise answer
        return Held(_labelled(described, CURRENT), None, deleted=True)

    def _restore(self, name: str, end: float) -> None:
        self._service.restore(name)
        logger.warning("%s: %s was marked for deletion and is needed again; restored", self._address, name)
        while time.monotonic() < end:
            try:
                self._service.get(name)
            except AnswerError as answer:
                if answer.code == ABSENT:  # restored, and never had a value
                    return
                if answer.code != NOT_NOW:
                    raise
                time.sleep(RESTORE_POLL)
                continue
            return

    def _write(self, name: str, text: str, held: Held | None, description: str) -> str:
        if held is not None:
            return self._swap(name, text, held.version)
        if name.startswith("arn:"):
            try:
                return self._swap(name, text, None)
            except _Lost:
                if self.read(name) is not None:
                    raise
                raise StoreAddressError(
                    f"{self._address}: there is no such secret, and none can be created by its ARN; create it, or give "
                    "its name"
                ) from None
        version = str(uuid.uuid4())
        try:
            return self._service.create(name, text, version, description)
        except StoreDeniedError:
            # Somebody else may have created it, without a value, so that the proxy need not be allowed to.
            try:
                return self._swap(name, text, None)
            except _Lost:
                if self.read(name) is not None:
                    raise
            raise
        except StoreUnavailableError as error:
            if not isinstance(error, AnswerError):
                # No answer to a creation that may have happened.
                self._judge(name, version, None, error)
                return version
            if error.code not in (EXISTS, NOT_NOW):
                raise
        # There is one: ours, if the answer to the first attempt was lost; or of a faster writer, marked for deletion,
        # about to vanish, or without a value.
        held = self.read(name)
        if held is None:
            return self._swap(name, text, None)
        if held.version != version or held.deleted:
            raise _Lost
        return version

    def _swap(self, name: str, text: str, expected: str | None) -> str:
        """Put a version in the place of `expected` (None: in a secret without a value)."""
        if not self._conditional:
            return self._compare_and_put(name, text, expected)
        try:
            return self._compare_and_swap(name, text, expected)
        except (StoreDeniedError, AnswerError) as error:
            # Labels that may not be taken off fill the secret after some restarts.
            full = isinstance(error, AnswerError) and error.code == FULL
            if not self._lenient or not (full or isinstance(error, StoreDeniedError)):
                raise
            version = self._compare_and_put(name, text, expected)
            self._conditional = False
            logger.warning(
                "%s: written, but a second proxy's change at the same moment would be lost: %s", self._address, error
            )
            return version

    def _compare_and_swap(self, name: str, text: str, expected: str | None) -> str:
        version = str(uuid.uuid4())
        label = f"{_LABEL}{int(time.time())}-{version}"
        with _lost_if_gone():
            self._put(name, text, version, label)
        try:
            self._move_current(name, version, expected)
        finally:
            with contextlib.suppress(StoreError):
                self._service.move(name, label, to=None, source=version)
        return version

    def _compare_and_put(self, name: str, text: str, expected: str | None) -> str:
        held = self.read(name)
        if (held.version if held is not None else None) != expected:
            raise _Lost
        version = str(uuid.uuid4())
        with _lost_if_gone():
            self._service.put(name, text, version, CURRENT)
        return version

    def _put(self, name: str, text: str, version: str, label: str) -> None:
        try:
            self._service.put(name, text, version, label)
        except AnswerError as answer:
            # 20 labels, or 100 versions within a day: the first can be helped.
            if answer.code != FULL or not self._sweep(name):
                raise
        else:
            return
        self._service.put(name, text, version, label)

    def _move_current(self, name: str, version: str, expected: str | None) -> None:
        try:
            self._service.move(name, CURRENT, to=version, source=expected)
        except StoreError as error:
            # Refused, or no answer to a move that may have happened: what is current tells.
            self._judge(name, version, expected, error)

    def _judge(self, name: str, version: str, expected: str | None, error: StoreError) -> None:
        """Return if `version` is current after all."""
        refused = isinstance(error, AnswerError)
        for reread in range(REREADS if refused else 1):
            if reread:
                time.sleep(RESTORE_POLL)
            try:
                held = self.read(name)
            except StoreError:
                raise error from None
            deleted = held is not None and held.deleted
            current = held.version if held is not None else None
            if current == version and not deleted:
                return
            if refused and (current != expected or deleted):
                raise _Lost from None
        raise error

    def _sweep_sometimes(self, name: str) -> None:
        now = time.monotonic()
        with self._sweeping:
            if not self._sweeps or now - self._swept.get(name, float("-inf")) < SWEEP_INTERVAL:
                return
            self._swept[name] = now
        with contextlib.suppress(StoreError):
            self._sweep(name)

    def _sweep(self, name: str) -> bool:
        """Take off the labels that crashed writers left; whether there were any."""
        try:
            described = self._service.describe(name)
        except StoreDeniedError as error:
            self._sweeps = False
            logger.info("%s: what crashed writers leave behind stays: %s", self._address, error)
            return False
        before = time.time() - LEFTOVER_AGE
        leftovers = [
            (version, label)
            for version, labels in described.stages.items()
            for label in labels
            if (made := _made(label)) is not None and made < before
        ]
        for version, label in leftovers:
            self._service.move(name, label, to=None, source=version)
        return bool(leftovers)


@contextlib.contextmanager
def _lost_if_gone() -> Iterator[None]:
    """Deleted since it was read: read again."""
    try:
        yield
    except AnswerError as answer:
        if answer.code in (ABSENT, NOT_NOW):
            raise _Lost from None
        raise


def _labelled(described: Described, label: str) -> str | None:
    return next((version for version, labels in described.stages.items() if label in labels), None)


def _made(label: str) -> int | None:
    """When a writer made this label of its own; None if it is another's."""
    number = label.removeprefix(_LABEL).partition("-")[0]
    return int(number) if label.startswith(_LABEL) and number.isdecimal() else None
