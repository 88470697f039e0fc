"""What does the stage show? A company's proxy on a working day, in trouble, empty on the first day, and very busy."""

from __future__ import annotations

import math
import random
import time
from dataclasses import replace
from typing import Final

import segno

from emailproxy.console.messages import (
    Account,
    Doctor,
    DoctorDone,
    Listener,
    Login,
    Notice,
    Pending,
    Proxy,
    Session,
    Snapshot,
    Store,
    Traffic,
    Unsaved,
)

from .stage import Stage

__all__ = ["LOGINS", "busy", "company", "device_code", "empty", "sign_in"]

MINUTE, HOUR, DAY = 60, 3600, 86_400

_PEOPLE: Final = (
    "anna.kovalenko", "bohdan.melnyk", "camille.durand", "daria.shevchuk", "emile.laurent", "finance", "ines.moreau",
    "jonas.weber", "kateryna.bondar", "louis.girard", "office-printer", "oksana.tkachenko", "scanner.ground-floor",
    "support", "yaroslav.hrytsenko",
)  # fmt: skip
_STORE: Final = "azure:https://mail-tokens.vault.azure.net"


def _proxy(now: float) -> Proxy:
    return Proxy(
        version="0.2.0",
        pid=812,
        started=now - 3 * DAY - 4 * HOUR - 120,
        config="/etc/emailproxy/emailproxy.config",
        ready=True,
        draining=False,
        reloaded=now - 5 * HOUR,
        addresses=("127.0.0.1:8025",),
    )


def _listeners(now: float) -> tuple[Listener, ...]:
    ends = now + 61 * DAY
    return (
        Listener("IMAP-993", "IMAP", ("0.0.0.0:993", "[::]:993"), "tls", "outlook.office365.com:993 (TLS)", ends),
        Listener("IMAP-1993", "IMAP", ("127.0.0.1:1993",), "none", "the accounts' own servers", None),
        Listener("POP-1995", "POP", ("127.0.0.1:1995",), "none", "pop.gmail.com:995 (TLS)", None),
        Listener(
            "SMTP-587", "SMTP", ("0.0.0.0:587", "[::]:587"), "starttls", "smtp.office365.com:587 (STARTTLS)", ends
        ),
    )


def _accounts(now: float) -> tuple[Account, ...]:
    chance = random.Random(7)
    found = []
    for index, person in enumerate(_PEOPLE):
        robot = person in ("office-printer", "scanner.ground-floor")
        used = now - chance.choice((20, 90, 400, 2_000, 9_000))
        found.append(
            Account(
                name=f"{person}@example.com",
                state="ok",
                why="",
                flow="client_credentials" if robot else "device" if index % 6 == 5 else "authorization_code",
                managed=robot or index % 3 == 0,
                until=None if robot else now + 62 * DAY,
                last_use=used,
                token_ends=now + chance.randint(200, 3_500),
                where=_STORE,
            )
        )
    found[2] = replace(
        found[2],
        state="needs_consent",
        why="the password was changed or sign-ins were revoked (AADSTS50173)",
        token_ends=None,
        until=None,
        last_use=now - 2 * HOUR,
    )
    found[7] = replace(found[7], state="never_used", token_ends=None, until=None, last_use=None)
    found[9] = replace(found[9], until=now + 2 * DAY)
    return tuple(found)


def _sessions(now: float, accounts: tuple[Account, ...], count: int) -> tuple[Session, ...]:
    chance = random.Random(3)
    listeners = ("IMAP-993", "IMAP-993", "IMAP-993", "IMAP-1993", "SMTP-587", "POP-1995")
    found = []
    for number in range(count):
        listener = chance.choice(listeners)
        opened = now - chance.choice((4, 15, 70, 700, 4_000, 30_000)) * (1 + chance.random())
        inside = number != 0
        found.append(
            Session(
                id=f"{number + 1:08x}",
                listener=listener,
                protocol=listener.partition("-")[0],
                client=f"10.20.{chance.randint(0, 3)}.{chance.randint(2, 250)}",
                account=chance.choice(accounts).name if inside else None,
                opened=opened if inside else now - 2,
                logged_in=opened + 0.2 if inside else None,
                up=chance.randint(300, 90_000) if inside else 0,
                down=int(10 ** chance.uniform(3, 8.2)) if inside else 0,
            )
        )
    return tuple(found)


def _logins(now: float, level: float) -> tuple[tuple[int, int, int], ...]:
    chance = random.Random(5)
    end = int(now // 60)
    found = []
    for index in range(60):
        ok = int(level * (1.1 + math.sin(index / 7)) + chance.random() * level * 0.8)
        failed = chance.choice((0, 0, 0, 0, 1)) + (3 if index in (41, 42, 43) else 0)
        found.append((end - 59 + index, ok, failed))
    return tuple(found)


def _notices(now: float) -> tuple[Notice, ...]:
    slow = "reading from Azure Key Vault took 8.4 s; the last good value was used"
    throttled = "10.20.3.77 failed to log in 5 times, its next logins are answered more slowly"
    revoked = (
        "login of camille.durand@example.com from 10.20.1.14 failed: "
        "the token endpoint answered invalid_grant, AADSTS50173"
    )
    unknown = "login of reports@example.com from 10.20.0.9 failed: there is no such account in the configuration"
    authorise = "the password was changed or sign-ins were revoked: authorise the account again"
    add = "add a section [reports@example.com], or correct the user name in the mail program"
    return (
        Notice("warning", "emailproxy.store", slow, None, None, now - 3 * HOUR),
        Notice("warning", "emailproxy.throttle", throttled, None, None, now - 41 * MINUTE),
        Notice("error", "emailproxy.session", revoked, "7F3A", authorise, now - 18 * MINUTE),
        Notice("warning", "emailproxy.session", unknown, "B01C", add, now - 6 * MINUTE),
    )


def company(now: float | None = None) -> Snapshot:
    """A working day: one account needs a person, and all else is as it should be."""
    at = time.time() if now is None else now
    accounts = _accounts(at)
    return Snapshot(
        proxy=_proxy(at),
        listeners=_listeners(at),
        sessions=_sessions(at, accounts, 26),
        accounts=accounts,
        pending=(),
        store=Store(_STORE, True, True, at - 3 * DAY, None, 1_904, 212, 0, (), 3),
        logins=_logins(at, 6),
        notices=_notices(at),
    )


def troubled(now: float | None = None) -> Snapshot:
    """The same when the store is silent, and a certificate ends."""
    at = time.time() if now is None else now
    calm = company(at)
    error = "Azure Key Vault answered 403 Forbidden: the managed identity has no permission 'secrets/get'"
    waits = Unsaved("anna.kovalenko@example.com", at - 300, 4, at + 40, error)
    first = replace(calm.listeners[0], certificate_ends=at + 5 * DAY)
    return replace(
        calm,
        listeners=(first, *calm.listeners[1:]),
        store=Store(_STORE, True, False, at - 420, error, 1_904, 212, 9, (waits,), 1),
    )


def empty(now: float | None = None) -> Snapshot:
    """The first minute: nobody has configured or used anything."""
    at = time.time() if now is None else now
    return Snapshot(
        proxy=replace(_proxy(at), started=at - 20, reloaded=None),
        listeners=(),
        sessions=(),
        accounts=(),
        pending=(),
        store=Store("file:/etc/emailproxy/emailproxy.config", False, None, None, None, 0, 0, 0, (), 0),
        logins=(),
        notices=(),
    )


def busy(sessions: int = 2_000, now: float | None = None) -> Snapshot:
    """Very many sessions and accounts."""
    at = time.time() if now is None else now
    calm = company(at)
    one = calm.accounts[0]
    accounts = tuple(replace(one, name=f"person{number}@example.com") for number in range(sessions))
    return replace(calm, accounts=accounts, sessions=_sessions(at, accounts, sessions), logins=_logins(at, 180))


def sign_in(account: str, now: float | None = None) -> Pending:
    """An authorisation that waits for a browser."""
    at = time.time() if now is None else now
    return Pending(
        id=f"of-{account}",
        account=account,
        began=at,
        expires=at + 10 * MINUTE,
        url="https://login.example.com/authorize?client_id=mail",
        user_code=None,
        page=None,
        qr=None,
        reason="",
        replaces=False,
    )


def device_code(account: str, now: float | None = None) -> Pending:
    """An authorisation with a code to enter elsewhere."""
    url = "https://login.example.com/device?user_code=WDJB-MJHT"
    path = _path(url)
    return replace(
        sign_in(account, now), url=url, user_code="WDJB-MJHT", page="https://login.example.com/device", qr=path
    )


def _path(text: str) -> str:
    code = segno.make(text, error="m", micro=False)
    return "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(code.matrix) for x, module in enumerate(row) if module)


def opened(name: str, account: str) -> Session:
    """A session that has just logged in."""
    now = time.time()
    return Session(name, "IMAP-993", "IMAP", "10.20.1.9", account, now, now, 0, 0)


def traffic(stage: Stage, seconds: int = 60) -> None:
    """A minute's traffic of the company's sessions, said at once with times of its own."""
    chance = random.Random(2)
    sessions = company().sessions
    octets = {one.id: [one.up, one.down] for one in sessions}
    moving = [one.id for one in sessions if one.account is not None and chance.random() < 0.55]
    weight = {name: 10 ** chance.uniform(2.5, 5.6) for name in moving}
    began = time.time() - seconds
    stage.say(Traffic(tuple((name, octets[name][0], octets[name][1]) for name in moving)), at=began - 1)
    for second in range(seconds):
        for name in moving:
            wave = max(0.0, math.sin(second / 6 + weight[name]) + chance.uniform(-0.3, 0.6))
            octets[name][0] += int(weight[name] * wave / 14)
            octets[name][1] += int(weight[name] * wave)
        changed = tuple((name, octets[name][0], octets[name][1]) for name in moving)
        stage.say(Traffic(changed), at=began + second)


def app_passwords() -> list[dict[str, object]]:
    """As ``/api/passwords`` lists them."""
    now = int(time.time())
    common: dict[str, object] = {"networks": [], "protocols": [], "expires": None}
    return [
        {**common, "id": "w7c", "name": "Laptop", "created": now - 80 * DAY, "last_used": now - 3 * HOUR},
        {
            **common,
            "id": "p2d",
            "name": "Printer on the ground floor",
            "created": now - 75 * DAY,
            "last_used": now - 2 * DAY,
            "protocols": ["SMTP"],
            "networks": ["192.0.2.0/24"],
        },
        {
            **common,
            "id": "q8h",
            "name": "Old phone",
            "created": now - 300 * DAY,
            "last_used": None,
            "expires": now - DAY,
        },
    ]


def _step(
    subject: str, step: str, outcome: str, seconds: float | None, words: str = "", advice: str | None = None
) -> Doctor:
    return Doctor("r1", None, step, outcome, seconds, words, advice, subject)


EXAMINATION: Final = (
    _step("emailproxy.config", "Configuration", "ok", 0.012, "4 servers, 15 accounts, no fault"),
    _step("Azure Key Vault", "Store", "ok", 0.231, "the record was read"),
    _step("login.microsoftonline.com", "Name", "ok", 0.018, "20.190.160.14, 20.190.160.17 and two more"),
    _step("login.microsoftonline.com", "TLS", "ok", 0.064, "TLS 1.3, certificate good for 143 days"),
    _step("login.microsoftonline.com", "Token", "warning", 0.412, "a token came; it ends in 9 minutes", None),
    _step("IMAP outlook.office365.com:993", "TLS", "ok", 0.071, "TLS 1.3, certificate good for 198 days"),
    _step(
        "IMAP outlook.office365.com:993",
        "Login",
        "failed",
        1.204,
        "NO AUTHENTICATE failed.",
        "IMAP may be off for this mailbox: Set-CASMailbox anna.kovalenko@example.com -ImapEnabled $true",
    ),
    _step("SMTP smtp.office365.com:587", "Login", "skipped", None, "the token was refused above"),
    DoctorDone("r1", None, 1),
)
"""An examination that finds what is wrong."""

LOGINS: Final = (
    Login("anna.kovalenko@example.com", "10.20.1.14", "IMAP", "IMAP-993", "PLAIN", "ok", 41.2, None),
    Login("office-printer@example.com", "10.20.0.40", "SMTP", "SMTP-587", "LOGIN", "ok", 12.9, None),
    Login("camille.durand@example.com", "10.20.1.14", "IMAP", "IMAP-993", "PLAIN", "temporary", 412.0, "7F3A"),
    Login("reports@example.com", "10.20.0.9", "SMTP", "SMTP-587", "PLAIN", "misconfigured", 0.8, "B01C"),
    Login("finance@example.com", "10.20.2.31", "IMAP", "IMAP-993", "PLAIN", "wrong credentials", 96.0, "19D2"),
    Login("louis.girard@example.com", "10.20.2.8", "IMAP", "IMAP-1993", "PLAIN", "ok", 18.3, None),
)
"""As they arrive."""
