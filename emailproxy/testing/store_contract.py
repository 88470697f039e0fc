"""What must every store do? The tests that authors of stores inherit.

Subclass `StoreContract` in a test module, implement `open_store`, and pytest or unittest runs the rest::

    class TestMyStore(StoreContract):
        def open_store(self):
            return MyStore(self.somewhere)

The store under test must be empty when a test begins. The kit needs nothing but the standard library.
"""

# ruff: noqa: D102 - the name of a test is its sentence
from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable
from typing import Final

from emailproxy.store.base import CacheStore, Record, StoreConflictError, StoreError, Version

__all__ = ["EXAMPLE", "StoreContract"]

EXAMPLE: Final = Record(
    token_salt="c2FsdHNhbHRzYWx0c2FsdA==",  # noqa: S106 - an example
    token_iterations=1_200_000,
    access_token="gAAAAABn-access-_=" + "A" * 1500,
    access_token_expiry=1_790_000_000,
    refresh_token="gAAAAABn-refresh-_=" + "R" * 1500,
    client_secret_encrypted="gAAAAABn-secret-_==",  # noqa: S106
    last_activity=1_789_999_000,
    refresh_token_issued=1_789_990_000,
    lease_owner="lease-holder-7f3a",
    lease_until=1_789_999_060,
)
"""A record of an ordinary size with every field set."""

ODD_NAMES: Final = (
    "user@example.com",
    "first.last+tag@sub.example.co.uk",
    "o'brien@example.com",
    '"quoted local part"@example.com',
    "percent%dollar$@example.com",
    "colon:equals=hash#semicolon;@example.com",
    "[brackets]@example.com",
    "slash/back\\slash@example.com",
    "jürgen@exämple.de",
    "用户@例子.公司",
    "user-example-com@example.com",
    "user.example.com@example.com",
    "user_example_com@example.com",
    "a" * 64 + "@" + ".".join(["b" * 60] * 3) + ".com",
)
"""Names that meet the limits of files, INI sections and secret managers; no two may share a record."""

# Texts that mean something to some format or other.
ODD_TEXTS: Final = (
    "%(name)s",
    "a=b",
    "a:b",
    "#comment",
    ";comment",
    "[section]",
    '{"json": "yes"}',
    "100%",
    "ü€😀",
    "=",
)

WRITERS: Final = 8
ROUNDS: Final = 6
# Far more attempts than fair competition needs; more means a store that livelocks.
ATTEMPTS: Final = 500


class StoreContract:
    """The contract of `emailproxy.store.base.CacheStore`, one test for each promise."""

    def open_store(self) -> CacheStore:
        """Open the store under test. Every call within one test opens the same records once more."""
        raise NotImplementedError

    def writers(self) -> int:
        """How many threads compete in the test of lost updates."""
        return WRITERS

    def kept(self, record: Record) -> Record:
        """What the store gives back of `record`: all of it, unless its format leaves something out.

        A store in a secret manager returns `emailproxy.store.document.lasting` of it here, one that holds no more than
        `emailproxy.store.base.CACHED_OPTIONS` drops ``refresh_token_issued``. Whatever else the tests save differs in
        fields that every store keeps, so no other test depends on this.
        """
        return record

    def guards_other_instances(self) -> bool:
        """Whether no update is lost between *instances* of the store, as between processes, or only within one.

        True for everything that can compare and swap, or lock. False only for a store whose service has no conditional
        write at all, and whose documentation says what may be lost then: its instances must still see each other's
        records and refuse a stale version (`test_two_instances_see_each_other`), but the test of lost updates competes
        within one instance.
        """
        return True

    def test_absent_is_none(self) -> None:
        store = self.open_store()
        assert store.load("nobody@example.com") is None
        assert store.accounts() == []

    def test_what_was_saved_is_loaded(self) -> None:
        store = self.open_store()
        version = store.save("user@example.com", EXAMPLE, None)
        stored = store.load("user@example.com")
        assert stored is not None
        assert stored.record == self.kept(EXAMPLE)
        assert stored.version == version

    def test_each_field_may_be_absent(self) -> None:
        store = self.open_store()
        version: Version | None = None
        for field in dataclasses.fields(Record):
            record = dataclasses.replace(EXAMPLE, **{field.name: None})
            version = store.save("user@example.com", record, version)
            stored = store.load("user@example.com")
            assert stored is not None, field.name
            assert stored.record == self.kept(record), field.name

    def test_a_saved_record_survives_reopening(self) -> None:
        first = self.open_store()
        version = first.save("user@example.com", EXAMPLE, None)
        first.close()
        stored = self.open_store().load("user@example.com")
        assert stored is not None
        assert (stored.record, stored.version) == (self.kept(EXAMPLE), version)

    def test_odd_names_have_records_of_their_own(self) -> None:
        store = self.open_store()
        for number, name in enumerate(ODD_NAMES):
            store.save(name, dataclasses.replace(EXAMPLE, token_iterations=number), None)
        for number, name in enumerate(ODD_NAMES):
            stored = store.load(name)
            assert stored is not None, name
            assert stored.record.token_iterations == number, name
        assert store.accounts() == sorted(ODD_NAMES)

    def test_case_in_names_is_kept_apart_or_folded_for_reading_and_writing_alike(self) -> None:
        store = self.open_store()
        version = store.save("User@Example.com", EXAMPLE, None)
        other = store.load("user@example.com")
        if other is None:
            store.save("user@example.com", Record(refresh_token="other"), None)  # noqa: S106
            assert store.accounts() == ["User@Example.com", "user@example.com"]
        else:
            assert other.version == version
            store.save("user@example.com", Record(refresh_token="other"), version)  # noqa: S106
            stored = store.load("User@Example.com")
            assert stored is not None
            assert stored.record == Record(refresh_token="other")  # noqa: S106
            assert len(store.accounts()) == 1

    def test_odd_texts_come_back_as_they_were(self) -> None:
        store = self.open_store()
        version: Version | None = None
        for text in ODD_TEXTS:
            record = Record(token_salt=text, access_token=text, refresh_token=text)
            version = store.save("user@example.com", record, version)
            stored = store.load("user@example.com")
            assert stored is not None, text
            assert stored.record == self.kept(record), text

    def test_stale_version_is_a_conflict_and_changes_nothing(self) -> None:
        store = self.open_store()
        first = store.save("user@example.com", EXAMPLE, None)
        newer = dataclasses.replace(EXAMPLE, refresh_token="newer")  # noqa: S106
        store.save("user@example.com", newer, first)
        self._conflicts(lambda: store.save("user@example.com", EXAMPLE, first))
        stored = store.load("user@example.com")
        assert stored is not None
        assert stored.record == self.kept(newer)

    def test_expecting_none_where_there_is_one_is_a_conflict(self) -> None:
        store = self.open_store()
        store.save("user@example.com", EXAMPLE, None)
        self._conflicts(lambda: store.save("user@example.com", Record(refresh_token="other"), None))  # noqa: S106
        stored = store.load("user@example.com")
        assert stored is not None
        assert stored.record == self.kept(EXAMPLE)

    def test_expecting_one_where_there_is_none_is_a_conflict(self) -> None:
        store = self.open_store()
        version = store.save("user@example.com", EXAMPLE, None)
        self._conflicts(lambda: store.save("other@example.com", EXAMPLE, version))
        assert store.load("other@example.com") is None

    def test_version_stays_while_the_record_stays(self) -> None:
        store = self.open_store()
        version = store.save("user@example.com", EXAMPLE, None)
        store.save("other@example.com", Record(refresh_token="other"), None)  # noqa: S106
        for _ in range(2):
            stored = store.load("user@example.com")
            assert stored is not None
            assert stored.version == version

    def test_version_changes_with_the_record(self) -> None:
        store = self.open_store()
        seen = [store.save("user@example.com", EXAMPLE, None)]
        for number in range(3):
            record = dataclasses.replace(EXAMPLE, token_iterations=number)
            seen.append(store.save("user@example.com", record, seen[-1]))
        assert len(set(seen)) == len(seen)

    def test_an_empty_record_can_be_saved_and_replaced(self) -> None:
        store = self.open_store()
        version = store.save("user@example.com", Record(), store.save("user@example.com", EXAMPLE, None))
        stored = store.load("user@example.com")
        assert stored is None or stored.record == Record()
        store.save("user@example.com", EXAMPLE, version)
        stored = store.load("user@example.com")
        assert stored is not None
        assert stored.record == self.kept(EXAMPLE)

    def test_two_instances_see_each_other(self) -> None:
        one, other = self.open_store(), self.open_store()
        assert other.load("user@example.com") is None
        version = one.save("user@example.com", EXAMPLE, None)
        stored = other.load("user@example.com")
        assert stored is not None
        assert stored.version == version
        newer = dataclasses.replace(EXAMPLE, token_iterations=1)
        other.save("user@example.com", newer, version)
        self._conflicts(lambda: one.save("user@example.com", EXAMPLE, version))
        stored = one.load("user@example.com")
        assert stored is not None
        assert stored.record == self.kept(newer)

    def test_no_update_is_lost_between_threads(self) -> None:
        shared = self.open_store()
        own = self.open_store() if self.guards_other_instances() else shared
        names = ("user@example.com", "other@example.com")
        for name in names:
            shared.save(name, Record(token_iterations=0, refresh_token="r"), None)  # noqa: S106
        problems: list[BaseException] = []
        ready = threading.Barrier(self.writers())

        def count(store: CacheStore) -> None:
            try:
                ready.wait(30)
                for _ in range(ROUNDS):
                    for name in names:
                        _increment(store, name)
            except BaseException as error:  # noqa: BLE001 - a thread's failure is reported by the test
                problems.append(error)

        threads = [
            threading.Thread(target=count, args=(shared if number % 2 else own,)) for number in range(self.writers())
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        for name in names:
            stored = self.open_store().load(name)
            assert stored is not None
            assert stored.record.token_iterations == self.writers() * ROUNDS, name

    def test_of_two_who_take_a_lease_one_has_it(self) -> None:
        store = self.open_store()
        idle = dataclasses.replace(EXAMPLE, lease_owner=None, lease_until=None)
        version = store.save("user@example.com", idle, None)
        mine = dataclasses.replace(idle, lease_owner="me", lease_until=1_790_000_060)
        taken = store.save("user@example.com", mine, version)
        assert taken != version
        theirs = dataclasses.replace(idle, lease_owner="them", lease_until=1_790_000_061)
        self._conflicts(lambda: store.save("user@example.com", theirs, version))
        stored = store.load("user@example.com")
        assert stored is not None
        assert (stored.record.lease_owner, stored.record.lease_until) == ("me", 1_790_000_060)
        store.save("user@example.com", dataclasses.replace(idle, refresh_token="newer"), taken)  # noqa: S106
        stored = store.load("user@example.com")
        assert stored is not None
        assert (stored.record.lease_owner, stored.record.lease_until) == (None, None)

    def test_there_is_nothing_to_delete(self) -> None:
        store = self.open_store()
        assert not store.delete("nobody@example.com")
        assert store.load("nobody@example.com") is None

    def test_what_was_deleted_is_absent(self) -> None:
        store = self.open_store()
        store.save("user@example.com", EXAMPLE, None)
        assert store.delete("user@example.com")
        assert store.load("user@example.com") is None
        assert store.accounts() == []
        assert self.open_store().load("user@example.com") is None
        assert not store.delete("user@example.com")

    def test_what_was_deleted_can_be_saved_again(self) -> None:
        store = self.open_store()
        old = store.save("user@example.com", EXAMPLE, None)
        store.delete("user@example.com")
        newer = dataclasses.replace(EXAMPLE, refresh_token="newer")  # noqa: S106
        version = store.save("user@example.com", newer, None)
        assert version != old
        stored = store.load("user@example.com")
        assert stored is not None
        assert (stored.record, stored.version) == (self.kept(newer), version)
        assert store.accounts() == ["user@example.com"]
        self._conflicts(lambda: store.save("user@example.com", EXAMPLE, old))

    def test_a_version_from_before_a_deletion_is_a_conflict_and_brings_nothing_back(self) -> None:
        store, other = self.open_store(), self.open_store()
        version = store.save("user@example.com", EXAMPLE, None)
        assert other.load("user@example.com") is not None
        store.delete("user@example.com")
        newer = dataclasses.replace(EXAMPLE, refresh_token="newer")  # noqa: S106
        for one in (store, other):
            self._conflicts(lambda one=one: one.save("user@example.com", newer, version))  # type: ignore[misc]
            assert one.load("user@example.com") is None

    def test_deleting_leaves_other_accounts_alone(self) -> None:
        store = self.open_store()
        store.save("user@example.com", EXAMPLE, None)
        version = store.save("other@example.com", EXAMPLE, None)
        store.save("third@example.com", Record(refresh_token="third"), None)  # noqa: S106
        assert store.delete("user@example.com")
        stored = store.load("other@example.com")
        assert stored is not None
        assert (stored.record, stored.version) == (self.kept(EXAMPLE), version)
        assert store.accounts() == ["other@example.com", "third@example.com"]

    def test_a_name_that_utf_8_cannot_hold_is_absent_or_is_refused(self) -> None:
        store = self.open_store()
        for name in ("\ud800@example.com", "\udc80@example.com"):
            with contextlib.suppress(StoreError):
                store.save(name, EXAMPLE, None)
            stored = store.load(name)
            assert stored is None or stored.record == self.kept(EXAMPLE)
            assert store.delete(name) is (stored is not None)

    def test_accounts_are_sorted(self) -> None:
        store = self.open_store()
        for name in ("b@example.com", "c@example.com", "a@example.com"):
            store.save(name, EXAMPLE, None)
        assert store.accounts() == ["a@example.com", "b@example.com", "c@example.com"]

    def test_close_twice(self) -> None:
        store = self.open_store()
        store.save("user@example.com", EXAMPLE, None)
        store.close()
        store.close()

    def test_nothing_printed_is_secret(self) -> None:
        store = self.open_store()
        version = store.save("user@example.com", EXAMPLE, None)
        printed = [repr(store), str(store), store.address, version]
        with contextlib.suppress(StoreConflictError):
            store.save("user@example.com", dataclasses.replace(EXAMPLE, token_iterations=0), None)
        try:
            store.save("user@example.com", EXAMPLE, None)
        except StoreConflictError as error:
            printed.append(str(error))
        for name, text in EXAMPLE.to_options().items():
            if not text.isdigit():
                assert not any(text in line for line in printed), name

    @staticmethod
    def _conflicts(save: Callable[[], Version]) -> None:
        try:
            save()
        except StoreConflictError:
            return
        raise AssertionError("the save should have been a conflict")


def _increment(store: CacheStore, name: str) -> None:
    """Read, add one, write; again if another thread was faster."""
    for _ in range(ATTEMPTS):
        stored = store.load(name)
        assert stored is not None
        record = dataclasses.replace(stored.record, token_iterations=(stored.record.token_iterations or 0) + 1)
        try:
            store.save(name, record, stored.version)
        except StoreConflictError:
            continue
        return
    raise AssertionError(f"{ATTEMPTS} conflicts in a row")
