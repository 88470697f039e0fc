"""What does FETCH answer for one message (RFC 9051 section 7.5.2)?"""

from __future__ import annotations

import email.parser
import email.utils
import re
import time
from typing import Final

from emailproxy.testing.provider.imap_syntax import Token
from emailproxy.testing.provider.mailbox import Message

__all__ = ["fetch_items", "fetch_response", "marks_seen"]

MACROS: Final = {
    "ALL": ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"],
    "FAST": ["FLAGS", "INTERNALDATE", "RFC822.SIZE"],
    "FULL": ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"],
}

_SECTION: Final = re.compile(
    r"BODY(?P<peek>\.PEEK)?\[(?P<section>[^\]]*)\](?:<(?P<origin>\d+)\.(?P<count>\d+)>)?", re.IGNORECASE
)


def fetch_items(argument: Token) -> list[str]:
    """The data items that a FETCH command asks for."""
    tokens = argument if isinstance(argument, list) else [argument]
    items = [token.decode("ascii", "replace") for token in tokens if isinstance(token, bytes)]
    if len(items) == 1 and items[0].upper() in MACROS:
        return MACROS[items[0].upper()]
    return items


def marks_seen(items: list[str]) -> bool:
    r"""Whether one of `items` sets the ``\\Seen`` flag."""
    matches = (_SECTION.fullmatch(item) for item in items)
    return any(match and not match["peek"] for match in matches) or any(
        item.upper() in {"RFC822", "RFC822.TEXT"} for item in items
    )


def fetch_response(number: int, message: Message, items: list[str]) -> list[bytes]:
    """The untagged response, in pieces so that a big message is not copied.

    Raises:
        ValueError: an item is unknown.
    """
    pieces = [b"* %d FETCH (" % number]
    for index, item in enumerate(items):
        if index:
            pieces.append(b" ")
        pieces += _item(message, item)
    pieces.append(b")\r\n")
    return pieces


def _item(message: Message, item: str) -> list[bytes]:
    octets = message.octets
    match item.upper():
        case "UID":
            return [b"UID %d" % message.uid]
        case "FLAGS":
            return [f"FLAGS ({' '.join(sorted(message.flags))})".encode()]
        case "RFC822.SIZE":
            return [b"RFC822.SIZE %d" % len(octets)]
        case "INTERNALDATE":
            date = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(message.received))
            return [f'INTERNALDATE "{date}"'.encode()]
        case "ENVELOPE":
            return [b"ENVELOPE ", _envelope(octets)]
        case "BODY" | "BODYSTRUCTURE" as structure:
            return [structure.encode(), b" ", _structure(octets)]
        case "RFC822":
            return _literal(b"RFC822", octets)
        case "RFC822.HEADER":
            return _literal(b"RFC822.HEADER", _section(octets, "HEADER"))
        case "RFC822.TEXT":
            return _literal(b"RFC822.TEXT", _section(octets, "TEXT"))
    match_section = _SECTION.fullmatch(item)
    if match_section is None:
        raise ValueError(f"unknown data item {item}")
    part = _section(octets, match_section["section"])
    name = f"BODY[{match_section['section']}]"
    if match_section["origin"] is not None:
        origin = int(match_section["origin"])
        part = part[origin : origin + int(match_section["count"])]
        name += f"<{origin}>"
    return _literal(name.encode(), part)


def _literal(name: bytes, octets: bytes) -> list[bytes]:
    return [name + b" {%d}\r\n" % len(octets), octets]


def _split(octets: bytes) -> tuple[bytes, bytes]:
    """Header with its empty line, and body."""
    end = octets.find(b"\r\n\r\n")
    return (octets[: end + 4], octets[end + 4 :]) if end >= 0 else (octets, b"")


def _section(octets: bytes, section: str) -> bytes:
    if not section:
        return octets
    header, body = _split(octets)
    name, _, fields = section.partition(" ")
    wanted = {field.strip('"').lower() for field in fields.strip("()").split()}
    match name.upper():
        case "HEADER":
            return header
        case "TEXT" | "1":
            return body
        case "1.MIME":
            return b"\r\n"
        case "HEADER.FIELDS":
            return _header_fields(header, wanted, keep=True)
        case "HEADER.FIELDS.NOT":
            return _header_fields(header, wanted, keep=False)
    raise ValueError(f"unknown section {section}")


def _header_fields(header: bytes, wanted: set[str], *, keep: bool) -> bytes:
    fields = re.findall(rb"([^:\s]+):((?:.*\r\n)(?:[ \t].*\r\n)*)", header)
    chosen = (name + b":" + value for name, value in fields if (name.decode().lower() in wanted) is keep)
    return b"".join(chosen) + b"\r\n"


def _string(text: str | None) -> str:
    """A string or NIL; 8-bit or odd texts as they can be: question marks, for only people look at them."""
    if text is None:
        return "NIL"
    plain = " ".join(text.split()).encode("ascii", "replace").decode()
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _envelope(octets: bytes) -> bytes:
    header = email.parser.BytesHeaderParser().parsebytes(_split(octets)[0])

    def text(name: str) -> str | None:
        value = header.get(name)
        return None if value is None else str(value)

    def addresses(name: str) -> str:
        pairs = email.utils.getaddresses([str(value) for value in header.get_all(name, [])])
        parts = []
        for display, address in pairs:
            local, _, domain = address.rpartition("@")
            parts.append(f"({_string(display or None)} NIL {_string(local)} {_string(domain)})")
        return f"({''.join(parts)})" if parts else "NIL"

    sender = addresses("From")
    fields = [
        _string(text("Date")),
        _string(text("Subject")),
        sender,
        addresses("Sender") if "Sender" in header else sender,
        addresses("Reply-To") if "Reply-To" in header else sender,
        addresses("To"),
        addresses("Cc"),
        addresses("Bcc"),
        _string(text("In-Reply-To")),
        _string(text("Message-ID")),
    ]
    return f"({' '.join(fields)})".encode()


def _structure(octets: bytes) -> bytes:
    """Every message is one text part: enough for a client to ask for ``BODY[1]`` or ``BODY[]``."""
    body = _split(octets)[1]
    return b'("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "8BIT" %d %d)' % (len(body), body.count(b"\n"))
