"""Who is measured beside ours? Each peer that is installed, started with a configuration of its own."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.peers.base import Peer
from benchmarks.peers.classic import CLASSIC
from benchmarks.peers.dovecot import DOVECOT
from benchmarks.peers.haproxy import HAPROXY
from benchmarks.peers.nginx import NGINX
from benchmarks.peers.ours import OURS
from benchmarks.peers.stunnel import STUNNEL

__all__ = ["PEERS", "Peer"]

PEERS: Mapping[str, Peer] = {peer.name: peer for peer in (OURS, STUNNEL, NGINX, HAPROXY, DOVECOT, CLASSIC)}
"""In the order of the tables; the first is what all ratios are of.

nginx's mail proxy is not among them: it logs in to the server with the password that the client sent, without TLS,
and knows no mechanism of OAuth 2.0.
"""
