"""IMAP4 (RFC 3501, RFC 9051) until the client is logged in."""

from emailproxy.protocols.imap.downstream import DownstreamImap
from emailproxy.protocols.imap.upstream import UpstreamImap

__all__ = ["DownstreamImap", "UpstreamImap"]
