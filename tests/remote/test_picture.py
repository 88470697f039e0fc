"""What is so now, from a snapshot and the changes since."""

from __future__ import annotations

from dataclasses import replace

from emailproxy.console.messages import (
    Account,
    AccountGone,
    Envelope,
    Listener,
    ListenerGone,
    Login,
    Message,
    Notice,
    Pending,
    PendingGone,
    Proxy,
    Session,
    SessionClosed,
    Snapshot,
    Store,
    Traffic,
)
from emailproxy.remote.picture import STALE, Picture

PROXY = Proxy("1", 1, 1.0, "c", True, False, None, ())
STORE = Store("a", True, True, 1.0, None, 0, 0, 0, (), 0)
LISTENER = Listener("IMAP-1", "IMAP", (), "none", "h:1 (TLS)", None)
SESSION = Session("s1", "IMAP-1", "IMAP", "c:1", "ada", 1.0, 2.0, 100, 200)
ACCOUNT = Account("ada", "ok", "", "f", False, None, None, None, "")
PENDING = Pending("p1", "ada", 1.0, 2.0, "u", None, None, None, "", False)
NOTICE = Notice("warning", "l", "m", None, None, 1.0)
SNAPSHOT = Snapshot(PROXY, (LISTENER,), (SESSION,), (ACCOUNT,), (PENDING,), STORE, (), (NOTICE,))


def told(*messages: tuple[float, Message | None]) -> Picture:
    picture = Picture()
    for time, message in messages:
        picture.apply(Envelope("s", 1, time, "", message))
    return picture


def test_a_snapshot() -> None:
    picture = told((1.0, SNAPSHOT))
    assert (picture.proxy, picture.store) == (PROXY, STORE)
    assert picture.sessions == {"s1": SESSION}
    assert picture.accounts == {"ada": ACCOUNT}
    assert picture.pending == {"p1": PENDING}
    assert list(picture.notices) == [NOTICE]
    # The next one replaces it, and the logins that were heard stay.
    login = Login("ada", "c", "IMAP", "IMAP-1", "PLAIN", "ok", 1.0, None)
    empty = replace(SNAPSHOT, sessions=(), accounts=(), pending=(), notices=())
    picture = told((1.0, SNAPSHOT), (2.0, login), (3.0, empty))
    assert (picture.sessions, picture.accounts, picture.pending) == ({}, {}, {})
    assert list(picture.logins) == [(2.0, login)]


def test_changes() -> None:
    draining, new = replace(PROXY, draining=True), replace(SESSION, id="s2")
    picture = told((1.0, SNAPSHOT), (2.0, draining), (2.0, new), (2.0, replace(ACCOUNT, name="bob")), (2.0, NOTICE))
    assert picture.proxy == draining
    assert list(picture.sessions) == ["s1", "s2"]
    assert list(picture.accounts) == ["ada", "bob"]
    assert len(picture.notices) == 2


def test_ends() -> None:
    ends = (ListenerGone("IMAP-1"), SessionClosed("s1", "", 0, 0, 1.0), PendingGone("p1", "ada", "denied"))
    picture = told((1.0, SNAPSHOT), *((2.0, end) for end in ends), (2.0, AccountGone("ada")))
    assert (picture.listeners, picture.sessions, picture.pending, picture.accounts) == ({}, {}, {}, {})
    # Of what is not known, and of what a newer proxy says.
    told(*((2.0, end) for end in ends), (2.0, AccountGone("ada")), (2.0, Traffic((("s1", 1, 1),))), (2.0, None))


def test_rates() -> None:
    first, second = Traffic((("s1", 1100, 200),)), Traffic((("s1", 1100, 4200),))
    picture = told((10.0, SNAPSHOT), (11.0, first))
    assert picture.rate("s1", 11.0) == (1000.0, 0.0)
    assert picture.sessions["s1"].up == 1100
    picture = told((10.0, SNAPSHOT), (11.0, first), (12.0, second))
    up, down = picture.rate("s1", 12.0)
    assert (up, down) == (500.0, 2000.0), "half of what was, half of what is"
    assert picture.rate("s1", 12.0 + STALE + 1) == (0.0, 0.0)
    assert picture.rate("s2", 12.0) == (0.0, 0.0)
