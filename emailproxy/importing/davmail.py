"""What does DavMail keep? Refresh tokens, in its settings or in a file of their own, plain or under the mail password.

``davmail.properties`` holds ``davmail.oauth.USER.refreshToken=TOKEN``, or names with ``davmail.oauth.tokenFilePath`` a
file of lines ``USER=TOKEN``. Both are Java properties, user names in lower case. A token that begins with ``{AES}`` is
base64 of AES-128-CBC under PBKDF2-HMAC-SHA256 of the password that the mail client uses, 10,000 rounds; salt and
initialisation vector are both the setting ``davmail.oauth.fingerprint``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.padding import PKCS7

from emailproxy.importing.properties import parse
from emailproxy.importing.tokens import ForeignToken, ForeignTokenError, read_file
from emailproxy.secret import Secret

__all__ = ["DEFAULT_CLIENT_ID", "read"]

DEFAULT_CLIENT_ID: Final = "facd6cff-a294-4415-b59f-c5b01937d7bd"
"""What DavMail presents to Microsoft unless ``davmail.oauth.clientId`` says otherwise."""

_FINGERPRINT: Final = "davmailgateway!&"
_ROUNDS: Final = 10_000
_KEY_OCTETS: Final = 16
_BLOCK_OCTETS: Final = 16
_ENCRYPTED: Final = "{AES}"
_SETTINGS: Final = "davmail."
_IN_SETTINGS: Final = re.compile(r"davmail\.oauth\.(?P<user>.+)\.refreshToken")


def read(paths: list[Path]) -> list[ForeignToken]:
    """The tokens of these files: settings, token files, or both; a token file that settings name is read too.

    Raises:
        ForeignTokenError: one cannot be read, or there is no token in any.
    """
    files = {path: parse(read_file(path)) for path in paths}
    settings: dict[str, str] = {}
    for path, properties in list(files.items()):
        if not _is_settings(properties):
            continue
        settings |= properties
        named = properties.get("davmail.oauth.tokenFilePath")
        if named:
            # Relative to where DavMail was started, which nobody knows; most often beside its settings.
            token_file = path.parent / Path(named).expanduser()
            if token_file not in files:
                files[token_file] = parse(read_file(token_file))
    found: dict[str, ForeignToken] = {}
    for path, properties in files.items():
        for account, value in _values(properties):
            found[account] = _token(account, value, path, settings)
    if not found:
        raise ForeignTokenError(
            f"{', '.join(map(str, files))}: there is no refresh token; DavMail keeps them only with "
            "davmail.oauth.persistToken=true, in its settings or in the file of davmail.oauth.tokenFilePath"
        )
    return list(found.values())


def _is_settings(properties: Mapping[str, str]) -> bool:
    return any(key.startswith(_SETTINGS) for key in properties)


def _values(properties: Mapping[str, str]) -> list[tuple[str, str]]:
    if not _is_settings(properties):
        return [(key, value) for key, value in properties.items() if value]
    matches = ((_IN_SETTINGS.fullmatch(key), value) for key, value in properties.items())
    return [(match["user"], value) for match, value in matches if match is not None and value]


def _token(account: str, value: str, path: Path, settings: Mapping[str, str]) -> ForeignToken:
    client_id = settings.get("davmail.oauth.clientId") or (DEFAULT_CLIENT_ID if settings else None)
    encrypted = value.startswith(_ENCRYPTED)
    if not encrypted:
        token = Secret(value)
        return ForeignToken(account, str(path), lambda _password: token, client_id=client_id)
    fingerprint = (settings.get("davmail.oauth.fingerprint") or _FINGERPRINT).encode()
    try:
        octets = base64.b64decode(value.removeprefix(_ENCRYPTED), validate=True)
    except binascii.Error:
        octets = b""
    if not octets or len(octets) % _BLOCK_OCTETS or len(fingerprint) != _BLOCK_OCTETS:
        raise ForeignTokenError(f"{path}: the token of {account} is damaged")
    return ForeignToken(account, str(path), partial(_decrypted, octets, fingerprint), True, client_id)


def _decrypted(octets: bytes, fingerprint: bytes, password: Secret) -> Secret | None:
    kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=_KEY_OCTETS, salt=fingerprint, iterations=_ROUNDS)
    cipher = Cipher(algorithms.AES128(kdf.derive(password.octets)), modes.CBC(fingerprint)).decryptor()
    padded = cipher.update(octets) + cipher.finalize()
    unpadder = PKCS7(_BLOCK_OCTETS * 8).unpadder()
    try:
        text = (unpadder.update(padded) + unpadder.finalize()).decode("ascii")
    except ValueError:
        return None
    # Of 256 wrong passwords one leaves a padding that looks right. Refresh tokens are printable (RFC 6749, A.17).
    return Secret(text) if text and text.isprintable() else None
