"""Which sockets does a server mean? The local addresses of each are bound here, before or after there is a listener.

Before: when the proxy starts, it binds as soon as its configuration is read (`Bound`), and only then loads what serves
the connections, which wait for that in the sockets' queues. So nothing that takes long to load is imported here.
"""

from __future__ import annotations

import errno
import logging
import socket
import sys
from typing import TYPE_CHECKING

from emailproxy.failures import ProxyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from emailproxy.activation import Inherited
    from emailproxy.config.model import Server

__all__ = ["BindError", "Bound", "Candidate", "bind", "candidates", "found_candidates", "looked_up", "without_address"]

log = logging.getLogger("emailproxy.listener")

Candidate = tuple[int, str]
"""An address family and an address that a server may mean."""


class BindError(ProxyError):
    """No local address could be bound; the message says which, why, and what to do."""


class Bound:
    """The sockets of a configuration's servers, until somebody takes them over. Owns them.

    Args:
        sockets: those of each server, by local address and port.
    """

    def __init__(self, sockets: dict[tuple[str | None, int], list[socket.socket]]) -> None:
        self._sockets = sockets

    @classmethod
    def of(
        cls, servers: Iterable[tuple[Server, list[Candidate] | BindError]], inherited: Inherited | None = None
    ) -> Bound:
        """Bind all of `servers`, which are `looked_up`.

        One that cannot be bound is an error in the log; the others go on.
        """
        bound: dict[tuple[str | None, int], list[socket.socket]] = {}
        for server, among in servers:
            try:
                if isinstance(among, BindError):
                    raise among
                bound[server.local_address, server.local_port] = bind(server, among, inherited)
            except BindError as error:
                log.error("%s", error)
        return cls(bound)

    def __bool__(self) -> bool:
        return bool(self._sockets)

    def take(self, server: Server) -> list[socket.socket]:
        """The sockets of `server`, which the caller closes; none if it could not be bound."""
        return self._sockets.pop((server.local_address, server.local_port), [])

    def close(self) -> None:
        """Close those that nobody took over."""
        for sockets in self._sockets.values():
            for sock in sockets:
                sock.close()
        self._sockets.clear()


def bind(server: Server, among: Sequence[Candidate], inherited: Inherited | None = None) -> list[socket.socket]:
    """Bind every address `among` those that `server` means, or take the sockets that were bound for it; and say so.

    Raises:
        BindError: not one could be bound.
    """
    problems: list[str] = []
    sockets: list[socket.socket] = []
    port = server.local_port
    if inherited is not None:
        sockets = inherited.of_section(server.section, port, {host for _, host in among})
        for sock in sockets:
            _prepare(sock)
    for family, host in among if not sockets else ():
        try:
            sockets.append(_listening_socket(family, host, port))
        except OSError as error:
            problems.append(f"{host} port {port}: {error.strerror or error}{_remedy(error, port)}")
        else:
            port = port or sockets[0].getsockname()[1]  # port 0: the same free port for both families
    if not sockets:
        raise BindError(f"[{server.section}] cannot listen on {'; '.join(problems)}")
    for problem in problems:
        # One family of two is common (no IPv6 in a container), and worth a line, not an end.
        log.warning("[%s] not listening on %s", server.section, problem)
    _announce(server, sockets)
    return sockets


def _announce(server: Server, sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        host, port = sock.getsockname()[:2]
        local = "no TLS" if not server.local_tls else "STARTTLS" if server.local_starttls else "TLS"
        shown = f"[{host}]" if ":" in host else host
        upstream = "STARTTLS" if server.server_starttls else "TLS"
        stands_for = f"{server.mail_server} ({upstream})" if server.mail_server else "the accounts' own servers"
        log.info("%s listening on %s:%d (%s) for %s", server.section, shown, port, local, stands_for)


def candidates(server: Server) -> list[Candidate] | None:
    """What `server` means without anybody being asked; None if its address is a name."""
    address = server.local_address
    if address in (None, "::"):
        found: list[Candidate] = [(socket.AF_INET, "0.0.0.0")]  # noqa: S104 - all interfaces is the default
        if socket.has_ipv6:
            found.append((socket.AF_INET6, "::"))
        return found
    try:
        return found_candidates(
            socket.getaddrinfo(_encoded(address), 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        )
    except (OSError, UnicodeError):
        return None


def looked_up(servers: Iterable[Server]) -> list[tuple[Server, list[Candidate] | BindError]]:
    """What each of `servers` means, or why it means nothing. Blocks where an address is a name."""
    found: list[tuple[Server, list[Candidate] | BindError]] = []
    for server in servers:
        among: list[Candidate] | BindError | None = candidates(server)
        try:
            among = among or found_candidates(
                socket.getaddrinfo(_encoded(server.local_address), server.local_port, type=socket.SOCK_STREAM)
            )
        except (OSError, UnicodeError) as error:  # the latter where IDNA cannot encode the name
            among = without_address(server, error)
        found.append((server, among))
    return found


def found_candidates(answer: Iterable[tuple[object, ...]]) -> list[Candidate]:
    """What a look-up (`socket.getaddrinfo`) has found, each once."""
    return list(dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in answer))  # type: ignore[call-overload, index]


def without_address(server: Server, error: Exception) -> BindError:
    """What to say when the look-up of the address failed with `error`."""
    why = getattr(error, "strerror", None) or error
    return BindError(
        f"[{server.section}] local_address {server.local_address} has no address ({why}); use an IP address"
    )


def _encoded(name: str | None) -> str | bytes | None:
    """As octets, where there is nothing to encode: to load the codec for international names takes milliseconds."""
    return name.encode() if name is not None and name.isascii() else name


def _listening_socket(family: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if sys.platform != "win32":  # there it would let another program take the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # One socket for each family: then a failure of one is visible, and addresses are logged as they are.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _prepare(sock)
        sock.bind((host.encode() if host.isascii() else host, port))
        sock.listen(socket.SOMAXCONN)
    except BaseException:
        sock.close()
        raise
    return sock


def _prepare(sock: socket.socket) -> None:
    """Set what the connections inherit, which saves two system calls for each."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _remedy(error: OSError, port: int) -> str:
    match error.errno:
        case errno.EACCES:
            return (
                f" (ports below 1024 need privileges: choose a higher one than {port}, or grant CAP_NET_BIND_SERVICE)"
            )
        case errno.EADDRINUSE:
            return " (another program has it: stop that, or choose another port)"
        case errno.EADDRNOTAVAIL:
            return " (this machine has no such address)"
        case _:
            return ""
