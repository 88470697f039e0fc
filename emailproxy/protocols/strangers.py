"""Who is this, if not a mail client? Recognised by the first octets, so that the operator reads it in plain words."""

from __future__ import annotations

from typing import Final

__all__ = ["LONGEST_SIGNATURE", "NOT_SURE_YET", "recognise"]

_PROXY: Final = (
    "the connection starts with a PROXY protocol header, which is not expected here: "
    "switch it off in the load balancer for this port, or write proxy_protocol = True and proxy_protocol_from"
)
_TLS: Final = (
    "the connection starts with a TLS handshake, but this port expects plain text or STARTTLS: "
    "set the client to STARTTLS or no encryption, or give this server a certificate"
)

_SIGNATURES: Final = {
    b"\r\n\r\n\x00\r\nQUIT\n": _PROXY,  # version 2, binary
    # Version 1, text. The word alone would be a valid IMAP tag.
    b"PROXY TCP4 ": _PROXY,
    b"PROXY TCP6 ": _PROXY,
    b"PROXY UNKNOWN": _PROXY,
    b"\x16\x03": _TLS,  # record type handshake, SSL 3.0 to TLS 1.3 (RFC 8446, 5.1)
}

_BEGINNINGS: Final = frozenset(signature[0] for signature in _SIGNATURES)

LONGEST_SIGNATURE: Final = max(map(len, _SIGNATURES))

NOT_SURE_YET: Final = "not sure yet"


def recognise(first: bytes) -> str | None:
    """What `first`, the first octets of a connection, means for the operator; None if it may be a mail client.

    `NOT_SURE_YET` if more octets are needed: what there is begins like one of the signatures.
    """
    if first and first[0] not in _BEGINNINGS:
        return None
    for signature, meaning in _SIGNATURES.items():
        if first.startswith(signature):
            return meaning
    if any(signature.startswith(first) for signature in _SIGNATURES):
        return NOT_SURE_YET
    return None
