"""The file store in a person's configuration file: what it changes, what it keeps, and what it refuses."""

from __future__ import annotations

import configparser
import dataclasses
import os
import stat
import time
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emailproxy.store.base import (
    CACHED_OPTIONS,
    Record,
    StoreAddressError,
    StoreConflictError,
    StoreContentError,
    StoreUnavailableError,
)
from emailproxy.store.registry import open_store
from emailproxy_backends import file
from emailproxy_backends.file import FileStore
from emailproxy_backends.ini import parsed
from emailproxy_backends.layout import understood

USER = "user@example.com"
RECORD = Record(
    token_salt="c2FsdA==", token_iterations=1_200_000, access_token="gAA-access", refresh_token="gAA-refresh"
)
HUMAN = b"""\
; Written by hand, line for line.
[IMAP-1993]
server_address : imap.example.com
server_port=993

[user@example.com]
# Ask Ada before changing this.
token_url = https://example.com/token
client_secret : s3cret
token_salt = old
\tcontinued
oauth2_scope = one
    two

# The last word."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "emailproxy.config"
    path.write_bytes(HUMAN)
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def version(store: FileStore) -> object:
    stored = store.load(USER)
    assert stored is not None
    return stored.version


class TestSave:
    def test_only_the_cached_options_change(self, path: Path) -> None:
        store = FileStore(path)
        store.save(USER, RECORD, store.load(USER).version)  # type: ignore[union-attr]
        assert path.read_bytes() == HUMAN.replace(
            b"token_salt = old\n\tcontinued\n", b"token_salt = c2FsdA==\n"
        ).replace(
            b"    two\n",
            b"    two\ntoken_iterations = 1200000\naccess_token = gAA-access\nrefresh_token = gAA-refresh\n",
        )

    def test_a_new_account_is_appended(self, path: Path) -> None:
        FileStore(path).save("new@example.com", Record(refresh_token="r"), None)
        assert path.read_bytes() == HUMAN + b"\n\n[new@example.com]\nrefresh_token = r\n"

    def test_options_that_the_record_lacks_are_removed(self, path: Path) -> None:
        store = FileStore(path)
        new = store.save(USER, RECORD, store.load(USER).version)  # type: ignore[union-attr]
        store.save(USER, Record(), new)
        assert path.read_bytes() == HUMAN.replace(b"token_salt = old\n\tcontinued\n", b"")
        assert store.load(USER) is None

    def test_byte_order_mark_stays(self, path: Path) -> None:
        path.write_bytes(b"\xef\xbb\xbf" + HUMAN)
        FileStore(path).save("new@example.com", Record(refresh_token="r"), None)
        assert path.read_bytes().startswith(b"\xef\xbb\xbf" + HUMAN)

    def test_previous_copy_is_kept_and_all_is_private(self, path: Path) -> None:
        path.chmod(0o644)
        FileStore(path).save("new@example.com", Record(refresh_token="r"), None)
        backup = path.with_name("emailproxy.config.bak")
        assert backup.read_bytes() == HUMAN
        assert [mode(place) for place in (path, backup, path.with_name("emailproxy.config.lock"))] == [0o600] * 3
        assert len(list(path.parent.iterdir())) == 3

    def test_unchanged_record_writes_nothing(self, path: Path) -> None:
        store = FileStore(path)
        new = store.save(USER, RECORD, store.load(USER).version)  # type: ignore[union-attr]
        before = path.stat()
        assert store.save(USER, RECORD, new) == new
        assert path.stat() == before

    def test_link_is_followed(self, path: Path, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        link = tmp_path / "elsewhere" / "link.config"
        link.symlink_to(path)
        FileStore(link).save("new@example.com", Record(refresh_token="r"), None)
        assert link.is_symlink()
        assert path.read_bytes().startswith(HUMAN)
        assert path.with_name("emailproxy.config.bak").exists()
        assert len(list(link.parent.iterdir())) == 1

    def test_a_left_over_of_a_crash_is_cleared(self, path: Path) -> None:
        trap = path.parent / "target"
        trap.write_text("untouched")
        path.with_name(".emailproxy.config.new").symlink_to(trap)
        FileStore(path).save("new@example.com", Record(refresh_token="r"), None)
        assert trap.read_text() == "untouched"
        assert not path.with_name(".emailproxy.config.new").exists()
        assert not path.is_symlink()

    def test_account_in_another_case_is_the_same_section(self, path: Path) -> None:
        store = FileStore(path)
        store.save("USER@Example.com", RECORD, version(store))  # type: ignore[arg-type]
        assert store.accounts() == [USER]
        assert b"[USER" not in path.read_bytes()

    def test_exact_name_wins_over_another_case(self, path: Path) -> None:
        path.write_bytes(b"[User@example.com]\nrefresh_token = upper\n[user@example.com]\nrefresh_token = lower\n")
        store = FileStore(path)
        for name, token in (("User@example.com", "upper"), (USER, "lower"), ("USER@EXAMPLE.COM", "upper")):
            stored = store.load(name)
            assert stored is not None
            assert stored.record.refresh_token == token

    def test_a_change_by_a_person_in_between_is_kept(self, path: Path) -> None:
        store = FileStore(path)
        known = version(store)
        path.write_bytes(path.read_bytes().replace(b"Ask Ada", b"Ask Bob"))
        store.save(USER, RECORD, known)  # type: ignore[arg-type]
        assert b"Ask Bob" in path.read_bytes()

    def test_a_change_by_a_person_while_the_disk_is_slow_is_kept(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An editor does not know of our lock, and flushing to the disk may take seconds."""
        store = FileStore(path)
        flush = os.fsync
        edits = [b"Ask Bob", b"Ask Eve"]

        def slow(descriptor: int) -> None:
            flush(descriptor)
            if edits:
                text = path.read_bytes()
                path.write_bytes(text.replace(b"Ask Ada", edits[0]).replace(b"Ask Bob", edits.pop(0)))

        monkeypatch.setattr(os, "fsync", slow)
        store.save(USER, RECORD, version(store))  # type: ignore[arg-type]
        assert b"Ask Eve" in path.read_bytes()
        assert b"gAA-refresh" in path.read_bytes()
        assert b"Ask Eve" in path.with_name(path.name + ".bak").read_bytes()
        assert not edits

    def test_a_file_that_never_stands_still_is_left_alone(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = FileStore(path)
        known = version(store)
        count = iter(range(1000))
        monkeypatch.setattr(os, "fsync", lambda _: path.write_bytes(HUMAN + b"\n; %d" % next(count)))
        with pytest.raises(StoreUnavailableError, match="changes faster than it can be saved"):
            store.save(USER, RECORD, known)  # type: ignore[arg-type]
        assert b"gAA-refresh" not in path.read_bytes()
        assert not list(path.parent.glob(".*"))

    def test_a_change_of_the_record_in_between_is_a_conflict(self, path: Path) -> None:
        store = FileStore(path)
        known = version(store)
        changed = HUMAN.replace(b"= old", b"= new")
        path.write_bytes(changed)
        with pytest.raises(StoreConflictError):
            store.save(USER, RECORD, known)  # type: ignore[arg-type]
        assert path.read_bytes() == changed


class TestDelete:
    def test_only_the_cached_options_go(self, path: Path) -> None:
        assert FileStore(path).delete(USER)
        assert path.read_bytes() == HUMAN.replace(b"token_salt = old\n\tcontinued\n", b"")
        assert path.with_name("emailproxy.config.bak").read_bytes() == HUMAN
        assert mode(path) == 0o600

    def test_a_section_of_the_proxy_goes_with_its_options(self, path: Path) -> None:
        store = FileStore(path)
        # Upper case is another section for a writer, unless there is one that differs in case only.
        store.save("new@example.com", dataclasses.replace(RECORD, lease_owner="me", lease_until=1), None)
        assert store.delete("NEW@example.com")
        assert path.read_bytes() == HUMAN + b"\n\n"
        store.save("new@example.com", RECORD, None)
        assert store.delete("new@example.com")
        assert path.read_bytes() == HUMAN + b"\n\n"
        assert store.accounts() == [USER]

    def test_a_section_that_cannot_go_without_harm_stays_empty(self, path: Path) -> None:
        # Without [user@example.com], the deeper header below would continue the value of q.
        path.write_text("[b]\nq = 1\n[user@example.com]\n    token_salt = s\n    [c]\n    z = 2\n")
        assert FileStore(path).delete(USER)
        assert path.read_text() == "[b]\nq = 1\n[user@example.com]\n    [c]\n    z = 2\n"

    def test_damage_can_be_deleted(self, path: Path) -> None:
        path.write_text("[user@example.com]\nlast_activity = never\ntoken_url = t\n")
        store = FileStore(path)
        with pytest.raises(StoreContentError):
            store.load(USER)
        assert store.delete(USER)
        assert path.read_text() == "[user@example.com]\ntoken_url = t\n"

    def test_nothing_to_delete_writes_nothing(self, path: Path) -> None:
        path.write_text("[user@example.com]\ntoken_salt =\n")
        before = path.stat().st_ino
        for name in (USER, "nobody@example.com"):
            assert not FileStore(path).delete(name)
        assert path.stat().st_ino == before
        absent = path.with_name("absent")
        assert not FileStore(absent).delete(USER)
        assert not absent.exists()

    def test_the_time_of_the_refresh_token_is_not_written(self, path: Path) -> None:
        store = FileStore(path)
        before = store.save("new@example.com", RECORD, None)
        assert store.save("new@example.com", dataclasses.replace(RECORD, refresh_token_issued=1), before) == before
        assert b"refresh_token_issued" not in path.read_bytes()


class TestClientSecret:
    SEALED = Record(client_secret_encrypted="gAA-sealed", token_salt="s")

    def test_plain_one_goes_when_the_sealed_one_comes(self, path: Path) -> None:
        store = FileStore(path)
        store.save(USER, self.SEALED, version(store))  # type: ignore[arg-type]
        assert b"s3cret" not in path.read_bytes()
        assert b"token_url = https://example.com/token" in path.read_bytes()
        assert path.with_name("emailproxy.config.bak").read_bytes() == path.read_bytes()
        assert all(b"s3cret" not in place.read_bytes() for place in path.parent.iterdir())

    def test_a_new_plain_one_survives_other_changes(self, path: Path) -> None:
        path.write_bytes(HUMAN.replace(b"token_salt = old", b"client_secret_encrypted = gAA-sealed\ntoken_salt = old"))
        store = FileStore(path)
        store.save(USER, Record(client_secret_encrypted="gAA-sealed", token_salt="s", last_activity=1), version(store))  # type: ignore[arg-type]
        assert b"client_secret : s3cret" in path.read_bytes()

    def test_other_sections_keep_theirs(self, path: Path) -> None:
        path.write_bytes(b"[@example.com]\nclient_secret = s3cret\n")
        FileStore(path).save(USER, self.SEALED, None)
        assert path.read_bytes().startswith(b"[@example.com]\nclient_secret = s3cret\n")


class TestLoad:
    def test_no_file_is_no_record(self, tmp_path: Path) -> None:
        store = FileStore(tmp_path / "none" / "cache.ini")
        assert store.load(USER) is None
        assert store.accounts() == []

    def test_numbers_as_the_classic_proxy_writes_them(self, path: Path) -> None:
        path.write_bytes(b"[user@example.com]\naccess_token_expiry = 1790000000.25\ntoken_iterations=1200000\n")
        stored = FileStore(path).load(USER)
        assert stored is not None
        assert (stored.record.access_token_expiry, stored.record.token_iterations) == (1_790_000_000, 1_200_000)

    def test_values_of_other_sections_are_not_inherited(self, path: Path) -> None:
        path.write_bytes(b"[DEFAULT]\nrefresh_token = x\n[user@example.com]\ntoken_url = y\n")
        assert FileStore(path).load(USER) is None

    def test_a_change_by_another_process_is_seen_at_once(self, path: Path) -> None:
        store = FileStore(path)
        for number in range(20):
            path.write_bytes(b"[user@example.com]\nlast_activity = %02d\n" % number)  # the same size, the same inode
            stored = store.load(USER)
            assert stored is not None
            assert stored.record.last_activity == number

    def test_an_unchanged_file_is_not_read_again(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(file, "TIMESTAMP_STEP", -1)
        monkeypatch.setattr(file, "COARSE_TIMESTAMP_STEP", -1)
        store = FileStore(path)
        store.load(USER)
        first = store._known
        assert store.load(USER) is not None
        assert store._known is first

    def test_time_stamps_too_coarse_to_show_a_change_are_not_trusted(self, path: Path) -> None:
        # Of a file system that counts in whole seconds, and of now, however long this test takes.
        now = int(time.time()) + 60
        os.utime(path, (now, now))
        store = FileStore(path)
        known = version(store)
        assert store._known is not None
        assert not store._known.settled
        path.write_bytes(HUMAN.replace(b"= old", b"= new"))
        # As a file system shows it that counts in whole seconds: same size, same inode, same time.
        store._known = dataclasses.replace(store._known, identity=file._identity(path.stat()))
        assert version(store) != known
        store._known = dataclasses.replace(store._known, settled=True, content=file._EMPTY)
        with pytest.raises(StoreConflictError):
            store.save(USER, RECORD, None)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"[user@example.com]\nrefresh_token = s3cret\nrefresh_token = s3cret\n", "line 3 gives an option"),
            (b"[user@example.com]\n[user@example.com]\n", "line 2 begins a section"),
            (b"s3cret = 1\n", r"line 1 stands before the first \[section\]"),
            (b"[user@example.com]\ns3cret\n", "line 2 is no option"),
            (b"[user@example.com]\n\nx = s3cret\xff\n", "line 3 is not UTF-8"),
            (b"[user@example.com]\nlast_activity = s3cret\n", "last_activity is not a number"),
        ],
    )
    def test_what_is_not_understood_is_refused_and_left(self, path: Path, content: bytes, message: str) -> None:
        path.write_bytes(content)
        store = FileStore(path)
        with pytest.raises(StoreContentError, match=message) as caught:
            store.load(USER)
        assert str(path) in str(caught.value)
        assert "s3cret" not in str(caught.value)
        with pytest.raises(StoreContentError):
            store.save(USER, RECORD, None)
        assert path.read_bytes() == content

    @pytest.mark.parametrize("account", ["two\nlines@example.com", "\udcff@example.com", ""])
    def test_names_that_a_file_cannot_hold_are_refused(self, path: Path, account: str) -> None:
        with pytest.raises(StoreContentError):
            FileStore(path).save(account, RECORD, None)
        assert path.read_bytes() == HUMAN

    def test_values_that_a_file_cannot_hold_are_refused(self, path: Path) -> None:
        with pytest.raises(StoreContentError, match="access_token") as caught:
            FileStore(path).save("new@example.com", Record(access_token="s3\ncret"), None)
        assert "cret" not in str(caught.value)
        assert path.read_bytes() == HUMAN


class TestClassic:
    """The classic proxy uses configparser without interpolation, and writes the whole file with it."""

    def test_reads_what_we_write(self, path: Path) -> None:
        odd = Record(token_salt="a=b%(x)s:#;", refresh_token="[x] = y", access_token_expiry=17, last_activity=18)
        FileStore(path).save("new@example.com", odd, None)
        parser = configparser.ConfigParser(interpolation=None)
        assert parser.read(path) == [str(path)]
        assert dict(parser["new@example.com"]) == odd.to_options()
        assert parser.getint("new@example.com", "access_token_expiry") == 17
        assert parser["user@example.com"]["oauth2_scope"] == "one\ntwo"

    def test_we_read_what_it_writes(self, path: Path) -> None:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(path)
        for name, value in RECORD.to_options().items():
            parser.set(USER, name, value)
        with path.open("w", encoding="utf-8") as output:
            parser.write(output)
        store = FileStore(path)
        stored = store.load(USER)
        assert stored is not None
        assert stored.record == RECORD
        store.save(USER, Record(refresh_token="ours"), stored.version)
        again = configparser.ConfigParser(interpolation=None)
        again.read(path)
        for name in RECORD.to_options():
            parser.remove_option(USER, name)
        parser.set(USER, "refresh_token", "ours")
        assert again == parser


class TestTrouble:
    def test_lock_held_by_another(self, path: Path) -> None:
        store = FileStore(path)
        store._lock_wait = 0.05
        with FileLock(path.with_name("emailproxy.config.lock")):
            with pytest.raises(StoreUnavailableError, match=r"emailproxy\.config\.lock is held"):
                store.save("new@example.com", RECORD, None)
            assert store.load(USER) is not None
        assert path.read_bytes() == HUMAN

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailableError, match="create its folder"):
            FileStore(tmp_path / "none" / "cache.ini").save(USER, RECORD, None)

    def test_a_folder_in_its_place(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailableError, match="cannot be read"):
            FileStore(tmp_path).load(USER)

    def test_backup_cannot_be_kept(self, path: Path) -> None:
        backup = path.with_name("emailproxy.config.bak")
        backup.mkdir()
        (backup / "x").touch()
        before = sorted(path.parent.iterdir())
        with pytest.raises(StoreUnavailableError):
            FileStore(path).save("new@example.com", RECORD, None)
        assert path.read_bytes() == HUMAN
        assert sorted(path.parent.iterdir()) == sorted([*before, path.with_name("emailproxy.config.lock")])

    def test_owner_stays_when_root_writes(self, path: Path) -> None:
        if os.geteuid() != 0:
            owner = (os.getuid(), path.stat().st_gid)
        else:
            owner = (4242, 4343)
            os.chown(path, *owner)
        FileStore(path).save("new@example.com", RECORD, None)
        for place in (path, path.with_name("emailproxy.config.bak")):
            assert (place.stat().st_uid, place.stat().st_gid) == owner


class TestAddress:
    @pytest.mark.parametrize("address", ["file:{}", "{}"])
    def test_through_the_registry(self, path: Path, address: str) -> None:
        store = open_store(address.format(path))
        assert store.address == f"file:{path}"
        assert store.accounts() == [USER]

    @pytest.mark.parametrize("address", ["", "a\0b"])
    def test_malformed(self, address: str) -> None:
        with pytest.raises(StoreAddressError):
            file.open_store(address)


@pytest.mark.parametrize(
    ("first", "text", "is_borne"),
    [
        (0, "[a]\nx = 1\n", True),
        (0, "x = 1", False),
        (0, "[a]\nx = 2\n", False),
        (0, "[a]\nx = 1", False),  # what follows would be in the same line
        (1, "\n[a]\nx = 1\n", False),  # the empty line would be another section's
        (2, "[a]\nx = 1", True),
    ],
)
def test_what_a_file_bears(first: int, text: str, is_borne: bool) -> None:
    content = understood(b"[1]\ny = 1\n[2]\ny = 1\n[3]\ny = 1\n")
    assert file._bears(content, first, first + 1, text, {"a": {"x": "1"}}) is is_borne


_ACCOUNTS = ["user@example.com", "USER@example.com", "b", "new@example.com", "c]d"]
_PIECES = st.lists(
    st.sampled_from(
        [
            "[user@example.com]",
            "[USER@example.com]",
            "  [b]",
            "[b]",
            "[c]d]",
            "[DEFAULT]",
            "access_token = 1",
            "  refresh_token : 2",
            "token_salt =",
            "x = y",
            "  more",
            "# word",
            "",
        ]
    ),
    max_size=10,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=_PIECES,
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    cut=st.booleans(),
    done=st.lists(st.tuples(st.sampled_from(_ACCOUNTS), st.sampled_from(["save", "delete", "load"])), max_size=5),
)
@example(lines=["[b]", "x = y", "[user@example.com]", "access_token = 1", "  [c]d]"], end="\n", cut=False,
         done=[("user@example.com", "delete")])  # fmt: skip
@example(lines=["x = y", "[b]", "access_token = 1"], end="\n", cut=False, done=[("b", "delete")])
def test_any_file_says_afterwards_what_it_should(
    tmp_path: Path, lines: list[str], end: str, cut: bool, done: list[tuple[str, str]]
) -> None:
    """One store that remembers, against configparser and a store that has just been opened."""
    path = tmp_path / "any.config"
    text = end.join(["[b]" if end == "\r\n" else "# first", *lines, ""])
    path.write_bytes((text.rstrip("\r\n") if cut else text).encode())
    try:
        model = parsed(text)
    except configparser.Error:
        with pytest.raises(StoreContentError):
            FileStore(path).load(USER)
        return
    store = FileStore(path)
    for number, (account, what) in enumerate(done):
        octets = path.read_bytes()
        stored = store.load(account)
        assert stored == FileStore(path).load(account)
        assert store.accounts() == FileStore(path).accounts()
        folded = [name for name in model if name.casefold() == account.casefold()]
        section = account if account in model else next(iter(folded), account)
        try:
            if what == "save":
                store.save(account, Record(access_token=f"new{number}"), stored.version if stored else None)
                kept = {o: v for o, v in model.get(section, {}).items() if o not in CACHED_OPTIONS}
                model[section] = kept | {"access_token": f"new{number}"}
            elif what == "delete":
                assert store.delete(account) == (stored is not None)
                if stored is not None:
                    model[section] = {o: v for o, v in model[section].items() if o not in CACHED_OPTIONS}
        except StoreContentError:
            assert path.read_bytes() == octets
        found = parsed(path.read_bytes().decode())
        # A section in which nothing is left may be gone.
        assert {n: o for n, o in found.items() if o or n != section} == {
            n: o for n, o in model.items() if o or n != section
        }
        model = found
