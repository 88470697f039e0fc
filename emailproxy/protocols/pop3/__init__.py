"""POP3 (RFC 1939, RFC 5034) until the client is logged in."""

from emailproxy.protocols.pop3.downstream import DownstreamPop3
from emailproxy.protocols.pop3.upstream import UpstreamPop3

__all__ = ["DownstreamPop3", "UpstreamPop3"]
