"""SMTP submission (RFC 6409, RFC 4954) until the client is logged in."""

from emailproxy.protocols.smtp.downstream import DownstreamSmtp
from emailproxy.protocols.smtp.upstream import UpstreamSmtp

__all__ = ["DownstreamSmtp", "UpstreamSmtp"]
