"""What the tests of managed accounts share: service keys, and records with app passwords whose hashes are cheap."""

from __future__ import annotations

from argon2 import PasswordHasher

from emailproxy.config.model import MailProtocol, Server, Settings
from emailproxy.config.sealkey import SealKey, new_key_text
from emailproxy.oauth.app_passwords import AppPassword, AppPasswords
from emailproxy.oauth.servicekey import account_key
from emailproxy.secret import Secret
from emailproxy.store.base import Record

from .support import ACCOUNT, EPOCH

CHEAP = PasswordHasher(1, 8, 1)
KEY = SealKey.parse(new_key_text())
OTHER_KEY = SealKey.parse(new_key_text())
MANAGED = Settings(seal_key=KEY)
ROTATED = Settings(seal_key=OTHER_KEY, seal_key_previous=KEY)

PHONE = Secret("abcdefghijkmnpqr")
PRINTER = Secret("xyzdefghijkmnpqr")
OLD = Secret("the mail password of before")

IMAP = Server("IMAP-1993", MailProtocol.IMAP, 1993, "imap.example.com", 993)
SMTP = Server("SMTP-1587", MailProtocol.SMTP, 1587, "smtp.example.com", 587)


def entry(password: Secret, name: str, **more: object) -> AppPassword:
    identifier = password.reveal()[:3] if password is not OLD else ""
    return AppPassword(identifier, name, CHEAP.hash(password.octets), EPOCH, **more)  # type: ignore[arg-type]


def managed_record(
    *entries: AppPassword,
    key: SealKey = KEY,
    account: str = ACCOUNT.name,
    access: str | None = "old-access",
    refresh: str | None = "old-refresh",
    expires_in: float = 3600,
    **more: object,
) -> Record:
    mine = account_key(key, account)
    passwords = AppPasswords(entries or (entry(PHONE, "phone"), entry(PRINTER, "printer", protocols=("SMTP",))))
    record = Record(
        access_token=mine.seal(Secret(access)) if access else None,
        access_token_expiry=int(EPOCH + expires_in) if access else None,
        refresh_token=mine.seal(Secret(refresh)) if refresh else None,
        app_passwords=mine.seal(passwords.text),
        **more,  # type: ignore[arg-type]
    )
    return mine.stamped(record)


def opened(record: Record, name: str, key: SealKey = KEY) -> str | None:
    sealed = getattr(record, name)
    value = account_key(key, ACCOUNT.name).open(sealed) if sealed else None
    return value.reveal() if value else None
