"""What does Secrets Manager promise? A double in memory, as strict as its documentation where emulators are not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from emailproxy_backends.aws_calls import ABSENT, CURRENT, EXISTS, FULL, MISMATCH, NOT_NOW, AnswerError, Described

MAX_LABELS = 20


def refusal(code: str) -> AnswerError:
    return AnswerError(f"double: refused ({code})", code)


@dataclass
class Secret:
    values: dict[str, str | None] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    """Version by label."""
    deleted: bool = False
    description: str = ""


class SecretsDouble:
    """A `Service`. Each of its `hooks` is called once, before the call of that name; those of `after`, after it."""

    def __init__(self) -> None:
        self.secrets: dict[str, Secret] = {}
        self.calls: list[str] = []
        self.hooks: dict[str, Callable[[], None]] = {}
        self.after: dict[str, Callable[[], None]] = {}
        self.denied: dict[str, Exception] = {}
        self.closed = 0
        self._lock = threading.Lock()

    def get(self, name: str) -> tuple[str, str | None]:
        with self._called("get"):
            secret = self._alive(name)
            version = secret.labels.get(CURRENT)
            if version is None:
                raise refusal(ABSENT)
            return version, secret.values[version]

    def create(self, name: str, text: str, token: str, description: str) -> str:
        with self._called("create"):
            if name in self.secrets:
                # The real service's answer for one that is marked for deletion is not documented.
                raise refusal(NOT_NOW if self.secrets[name].deleted else EXISTS)
            self.secrets[name] = Secret({token: text}, {CURRENT: token}, description=description)
            return token

    def put(self, name: str, text: str, token: str, label: str) -> None:
        with self._called("put"):
            secret = self._alive(name)
            if token in secret.values:
                raise refusal(EXISTS)
            if len({*secret.labels, label}) > MAX_LABELS:
                raise refusal(FULL)
            secret.values[token] = text
            secret.labels[label] = token
            secret.labels.setdefault(CURRENT, token)

    def move(self, name: str, label: str, *, to: str | None, source: str | None) -> None:
        with self._called("move"):
            secret = self._alive(name)
            if secret.labels.get(label) != source or (to is not None and to not in secret.values):
                raise refusal(MISMATCH)
            if to is None:
                del secret.labels[label]
            else:
                secret.labels[label] = to

    def describe(self, name: str) -> Described:
        with self._called("describe"):
            if name not in self.secrets:
                raise refusal(ABSENT)
            secret = self.secrets[name]
            stages: dict[str, list[str]] = {}
            for label, version in secret.labels.items():
                stages.setdefault(version, []).append(label)
            return Described(secret.deleted, stages)

    def restore(self, name: str) -> None:
        with self._called("restore"):
            self.secrets[name].deleted = False

    def delete(self, name: str) -> None:
        with self._called("delete"):
            self._alive(name).deleted = True

    def names(self, prefix: str) -> list[str]:
        with self._called("names"):
            return [
                name
                for name, secret in self.secrets.items()
                if name.startswith(prefix) and not secret.deleted and CURRENT in secret.labels
            ]

    def close(self) -> None:
        self.closed += 1

    def current(self, name: str) -> str:
        """The value that counts."""
        secret = self.secrets[name]
        text = secret.values[secret.labels[CURRENT]]
        assert text is not None
        return text

    def own_labels(self, name: str) -> list[str]:
        """The labels that are not the service's."""
        return [label for label in self.secrets[name].labels if not label.startswith("AWS")]

    def _alive(self, name: str) -> Secret:
        if name not in self.secrets:
            raise refusal(ABSENT)
        if self.secrets[name].deleted:
            raise refusal(NOT_NOW)
        return self.secrets[name]

    @contextmanager
    def _called(self, call: str) -> Iterator[None]:
        if hook := self.hooks.pop(call, None):
            hook()
        with self._lock:
            self.calls.append(call)
            if error := self.denied.get(call):
                raise error
            yield
        if hook := self.after.pop(call, None):
            hook()
