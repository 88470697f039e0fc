"""The recipe for replacing a secret, with a crash, a rival or a lost answer at each of its steps."""

from __future__ import annotations

import time

import pytest

from emailproxy.store.base import (
    StoreConflictError,
    StoreContentError,
    StoreDeniedError,
    StoreError,
    StoreUnavailableError,
)
from emailproxy_backends import aws_secret
from emailproxy_backends.aws_calls import ABSENT, CURRENT, EXISTS, FULL, MISMATCH, NOT_NOW
from emailproxy_backends.aws_secret import Held, Secrets

from .aws_double import Secret, SecretsDouble, refusal

DOWN = StoreUnavailableError("double: no answer")


@pytest.fixture
def service() -> SecretsDouble:
    return SecretsDouble()


@pytest.fixture
def secrets(service: SecretsDouble, monkeypatch: pytest.MonkeyPatch) -> Secrets:
    monkeypatch.setattr(aws_secret, "RESTORE_POLL", 0.001)
    monkeypatch.setattr(aws_secret, "MAX_PAUSE", 0.001)
    return Secrets("aws:test", service)


def append(secrets: Secrets, letter: str) -> str | None:
    return secrets.update("s", lambda held: ((held and held.text) or "") + letter, "for tests")


def test_create_then_replace(service: SecretsDouble, secrets: Secrets) -> None:
    first = append(secrets, "a")
    assert service.calls == ["get", "create", "describe"]
    second = append(secrets, "b")
    assert secrets.read("s") == Held(second, "ab")
    assert first != second
    assert service.own_labels("s") == []
    assert service.secrets["s"].description == "for tests"


def test_a_replacement_is_three_calls_after_the_read(service: SecretsDouble, secrets: Secrets) -> None:
    append(secrets, "a")
    service.calls.clear()
    append(secrets, "b")
    assert service.calls == ["get", "put", "move", "move"]


def test_left_as_it_is(service: SecretsDouble, secrets: Secrets) -> None:
    assert secrets.update("s", lambda _: None, "") is None
    version = append(secrets, "a")
    assert secrets.update("s", lambda _: None, "") == version


@pytest.mark.parametrize("step", ["create", "put", "move"])
def test_a_rival_at_any_step_is_not_overwritten(service: SecretsDouble, secrets: Secrets, step: str) -> None:
    if step != "create":
        append(secrets, "a")
    rival = Secrets("aws:rival", service)
    service.hooks[step] = lambda: void(append(rival, "R"))
    append(secrets, "b")
    assert service.current("s") == ("Rb" if step == "create" else "aRb")
    assert service.own_labels("s") == []


@pytest.mark.parametrize("step", ["put", "move"])
def test_deleted_for_good_at_any_step(service: SecretsDouble, secrets: Secrets, step: str) -> None:
    append(secrets, "a")
    service.hooks[step] = service.secrets.clear
    append(secrets, "b")
    assert service.current("s") == "b"


@pytest.mark.parametrize("step", ["put", "move"])
def test_marked_for_deletion_at_any_step(service: SecretsDouble, secrets: Secrets, step: str) -> None:
    append(secrets, "a")

    def delete() -> None:
        service.secrets["s"].deleted = True

    service.hooks[step] = delete
    append(secrets, "b")
    assert service.current("s") == "ab"


def test_a_name_that_is_about_to_vanish_is_waited_for(service: SecretsDouble, secrets: Secrets) -> None:
    service.denied["create"] = refusal(NOT_NOW)
    service.hooks["put"] = service.denied.clear
    append(secrets, "a")
    assert service.current("s") == "a"


def test_restored_and_waited_for(service: SecretsDouble, secrets: Secrets) -> None:
    append(secrets, "a")
    service.secrets["s"].deleted = True
    service.after["restore"] = lambda: service.denied.update({"get": refusal(NOT_NOW)})
    seen: list[Held | None] = []

    def change(held: Held | None) -> str:
        seen.append(held)
        return "b"

    service.hooks["restore"] = lambda: service.hooks.update({"get": again})
    polls = []

    def again() -> None:
        polls.append(1)
        if len(polls) < 3:
            service.hooks["get"] = again
        else:
            service.denied.clear()

    secrets.update("s", change, "")
    assert len(polls) == 3
    assert [held and (held.text, held.deleted) for held in seen] == [(None, True), ("a", True)]
    assert service.current("s") == "b"


def test_nothing_is_restored_for_a_change_that_is_refused_or_needless(service: SecretsDouble, secrets: Secrets) -> None:
    append(secrets, "a")
    service.secrets["s"].deleted = True

    def refuse(held: Held | None) -> str:
        raise StoreConflictError("stale")

    with pytest.raises(StoreConflictError):
        secrets.update("s", refuse, "")
    secrets.update("s", lambda held: None, "")
    assert service.secrets["s"].deleted


class TestDelete:
    def test_is_recoverable_and_done_once(self, service: SecretsDouble, secrets: Secrets) -> None:
        append(secrets, "a")
        seen: list[Held] = []
        assert secrets.delete("s", seen.append)
        assert [held.text for held in seen] == ["a"]
        assert service.secrets["s"].deleted
        assert not secrets.delete("s", seen.append)
        assert not secrets.delete("absent", seen.append)
        assert service.calls.count("delete") == 1

    def test_what_must_stay_stays(self, service: SecretsDouble, secrets: Secrets) -> None:
        append(secrets, "a")

        def refuse(held: Held) -> None:
            raise StoreContentError("foreign")

        with pytest.raises(StoreContentError):
            secrets.delete("s", refuse)
        assert not service.secrets["s"].deleted

    def test_somebody_else_was_faster(self, service: SecretsDouble, secrets: Secrets) -> None:
        append(secrets, "a")
        service.hooks["delete"] = lambda: setattr(service.secrets["s"], "deleted", True)
        assert secrets.delete("s", lambda held: None)
        service.secrets["s"].deleted = False
        service.hooks["delete"] = lambda: void(service.secrets.pop("s"))
        assert secrets.delete("s", lambda held: None)

    def test_a_refusal_for_another_reason_is_told(self, service: SecretsDouble, secrets: Secrets) -> None:
        append(secrets, "a")
        service.denied["delete"] = refusal(NOT_NOW)  # such as one that is replicated elsewhere
        with pytest.raises(StoreUnavailableError, match=NOT_NOW):
            secrets.delete("s", lambda held: None)
        assert not service.secrets["s"].deleted


def test_not_now_for_another_reason_is_told(service: SecretsDouble, secrets: Secrets) -> None:
    append(secrets, "a")
    service.denied["get"] = refusal(NOT_NOW)
    with pytest.raises(StoreUnavailableError, match=NOT_NOW):
        secrets.read("s")


def test_deletion_that_cannot_be_told_is_denied(service: SecretsDouble, secrets: Secrets) -> None:
    append(secrets, "a")
    service.secrets["s"].deleted = True
    service.denied["describe"] = StoreDeniedError("lacks the permission secretsmanager:DescribeSecret")
    with pytest.raises(StoreDeniedError, match="DescribeSecret"):
        secrets.read("s")


def test_a_lost_answer_to_a_move_that_happened_is_a_success(service: SecretsDouble, secrets: Secrets) -> None:
    append(secrets, "a")

    def lose() -> None:
        raise DOWN

    service.after["move"] = lose
    version = append(secrets, "b")
    assert secrets.read("s") == Held(version, "ab")
    assert service.own_labels("s") == []


@pytest.mark.parametrize("error", [DOWN, refusal(EXISTS)])
def test_a_lost_answer_to_a_creation_that_happened_is_a_success(
    service: SecretsDouble, secrets: Secrets, error: Exception
) -> None:
    def lose() -> None:
        raise error

    service.after["create"] = lose
    version = append(secrets, "a")
    assert secrets.read("s") == Held(version, "a")
    assert service.calls.count("create") == 1


@pytest.mark.parametrize("code", [MISMATCH, None])
def test_a_move_that_fails_while_nothing_changed_is_unavailable(
    service: SecretsDouble, secrets: Secrets, code: str | None
) -> None:
    version = append(secrets, "a")
    service.denied["move"] = refusal(code) if code else DOWN
    with pytest.raises(StoreUnavailableError):
        append(secrets, "b")
    assert secrets.read("s") == Held(version, "a")


def test_a_stale_answer_after_a_lost_race_is_read_again(service: SecretsDouble, secrets: Secrets) -> None:
    old = append(secrets, "a")
    rival = Secrets("aws:rival", service)
    service.hooks["move"] = lambda: void(append(rival, "R"))
    reads = service.get
    stale = [("get", 0)]

    def get(name: str) -> tuple[str, str | None]:
        # One answer from before the rival, as an eventually consistent service may give.
        if service.calls[-1] == "move" and stale:
            stale.pop()
            service.calls.append("get")
            return str(old), "a"
        return reads(name)

    service.get = get  # type: ignore[method-assign]
    append(secrets, "b")
    assert service.current("s") == "aRb"


def test_a_crash_leaves_a_label_that_is_swept_when_it_is_old(
    service: SecretsDouble, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(secrets, "a")
    now = int(time.time())
    labels = service.secrets["s"].labels
    service.secrets["s"].values["crashed"] = "x"
    labels[f"p-{now - 3600}-crashed"] = labels[f"p-{now}-working"] = labels["p-other"] = labels["AWSPENDING"] = (
        "crashed"
    )
    append(Secrets("aws:restarted", service), "b")
    assert sorted(service.own_labels("s")) == sorted([f"p-{now}-working", "p-other"])
    assert "AWSPENDING" in labels
    assert service.current("s") == "ab"


def test_sweeping_is_rare_and_its_failure_no_failure(service: SecretsDouble, secrets: Secrets) -> None:
    append(secrets, "a")
    service.calls.clear()
    append(secrets, "b")
    assert "describe" not in service.calls
    service.denied["describe"] = DOWN
    append(Secrets("aws:restarted", service), "c")
    service.denied["describe"] = StoreDeniedError("lacks the permission secretsmanager:DescribeSecret")
    append(Secrets("aws:restarted", service), "d")
    assert service.current("s") == "abcd"


def test_twenty_crashes_do_not_block_the_secret(service: SecretsDouble, secrets: Secrets) -> None:
    append(secrets, "a")
    for number in range(19):
        service.secrets["s"].labels[f"p-{number}-x"] = service.secrets["s"].labels[CURRENT]
    append(secrets, "b")
    assert service.current("s") == "ab"
    assert service.own_labels("s") == []


def test_a_limit_that_sweeping_does_not_help_is_told(service: SecretsDouble, secrets: Secrets) -> None:
    version = append(secrets, "a")
    service.denied["put"] = refusal(FULL)
    with pytest.raises(StoreUnavailableError, match=FULL):
        append(secrets, "b")
    assert secrets.read("s") == Held(version, "a")


def test_a_livelock_ends(service: SecretsDouble, secrets: Secrets) -> None:
    append(secrets, "a")
    service.get, reads = (lambda name: changed(name)), service.get  # type: ignore[method-assign]

    def changed(name: str) -> tuple[str, str | None]:
        held = reads(name)
        current = service.secrets[name]
        current.values[f"rival{len(current.values)}"] = "x"
        current.labels[CURRENT] = list(current.values)[-1]
        return held

    with pytest.raises(StoreUnavailableError, match="faster than it can be written"):
        append(secrets, "b")
    assert service.calls.count("put") == aws_secret.MAX_ATTEMPTS


@pytest.mark.parametrize("call", ["get", "create", "put", "move"])
def test_every_failure_is_the_contracts(service: SecretsDouble, secrets: Secrets, call: str) -> None:
    if call in ("put", "move"):
        append(secrets, "a")
    for error in (DOWN, StoreDeniedError("denied"), refusal("InternalServiceError")):
        service.denied = {call: error}
        with pytest.raises(StoreError):
            append(secrets, "b")
        service.denied = {}
        assert secrets.read("s") is None or service.current("s") == "a"


def test_absent_without_a_value(service: SecretsDouble, secrets: Secrets) -> None:
    assert secrets.read("s") is None
    service.secrets["s"] = Secret()
    assert secrets.read("s") is None
    service.secrets["s"].deleted = True
    assert secrets.read("s") == Held(None, None, deleted=True)
    append(secrets, "a")
    assert service.current("s") == "a"
    service.denied["get"] = refusal(ABSENT)
    assert secrets.read("s") is None


def void(_: object) -> None:
    """For hooks."""
