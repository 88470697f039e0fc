"""Would OpenSSL serve with this certificate and key, and is today a day on which it is valid? Yes, or not sure.

The usual case of a certificate without a fault, told without the library that can say what a fault is
(`emailproxy.config.pairs`), which takes much longer to load.
"""

from __future__ import annotations

import datetime as dt
import ssl
from typing import TYPE_CHECKING, Final

from emailproxy.config.certificates import MAX_OCTETS

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["first_certificate", "is_accepted_pair", "validity"]

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18


def is_accepted_pair(certificate: Path, key: Path | None) -> bool:
    """Whether there is nothing to say about the files `certificate` and `key`; None: it is with the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        if any(path is not None and not 0 < path.stat().st_size <= MAX_OCTETS for path in (certificate, key)):
            return False  # nor is a device read
        context.load_cert_chain(certificate, key, password="")  # never a prompt
        begins, ends = validity(certificate.read_bytes())
    except (OSError, ValueError, IndexError):
        return False
    return begins <= dt.datetime.now(dt.UTC) <= ends


def validity(pem: bytes) -> tuple[dt.datetime, dt.datetime]:
    """When the first certificate of `pem`, which can be read, begins and ends to be valid (RFC 5280 section 4.1).

    Raises:
        ValueError, IndexError: it is not as it should be.
    """
    certificate = ssl.PEM_cert_to_DER_cert(first_certificate(pem))
    _, content, _ = _element(certificate)
    _, signed, _ = _element(content)
    tag, _, rest = _element(signed)
    if tag == _VERSION:
        _, _, rest = _element(rest)  # the serial number
    _, _, rest = _element(rest)  # how it is signed
    _, _, rest = _element(rest)  # by whom
    tag, times, _ = _element(rest)
    if tag != _SEQUENCE:
        raise ValueError("no validity")
    kind, begins, rest = _element(times)
    begins_at = _time(kind, begins)
    kind, ends, _ = _element(rest)
    return begins_at, _time(kind, ends)


def first_certificate(pem: bytes) -> str:
    """The server's own certificate in `pem`, without its chain and whatever else is there.

    Raises:
        ValueError: there is none.
    """
    text = pem.decode("latin-1")
    begin = text.index(_BEGIN)
    return text[begin : text.index(_END, begin) + len(_END)] + "\n"


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """Tag and content of the first element (X.690 section 8.1), and what follows it."""
    size, start = der[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(der[2:start])
    if len(der) < start + size:
        raise ValueError("cut off")
    return der[0], der[start : start + size], der[start + size :]


def _time(tag: int, octets: bytes) -> dt.datetime:
    text = octets.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text >= "50" else "20") + text  # RFC 5280 section 4.1.2.5.1
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time")
    if len(text) != len("YYYYMMDDHHMMSSZ") or text[-1] != "Z":
        raise ValueError("not a time as certificates have it")
    return dt.datetime(*(int(text[at : at + 2]) if at else int(text[:4]) for at in (0, 4, 6, 8, 10, 12)), tzinfo=dt.UTC)  # type: ignore[arg-type, misc]
