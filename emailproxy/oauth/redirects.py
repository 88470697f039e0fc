"""Where does the browser arrive when the sign-in is over? At a standing HTTP listener, shared by all accounts.

One listener per address of all accounts' ``redirect_listen_address`` or ``redirect_uri``. It knows no accounts: what
arrives is told apart by its ``state`` (`emailproxy.oauth.consent`). Probes, favicons, link scanners, other paths and
foreign states are answered and end nothing. The browser's answer waits until the code was exchanged.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import parse_qs, urlsplit

import h11
import trio

from emailproxy.config.model import Account
from emailproxy.oauth.consent import Consents, Outcome, OutcomeKind
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.pages import HEADERS, notice, page

__all__ = ["RedirectAddress", "answer_redirect", "redirect_addresses", "serve_redirects"]

log = logging.getLogger("emailproxy.consent")

REQUEST_SECONDS: Final = 10.0
"""For a whole request to arrive, and for an answer to leave: a browser on this machine needs milliseconds."""
MAX_REQUEST: Final = 16 * 1024
"""Octets of head, and of a form: codes of Microsoft have 2 KB, cookies for ``localhost`` some more."""
OUTCOME_SECONDS: Final = 90.0
"""For the exchange of the code: two requests of 30 seconds and the store. Later the page only says that it is slow."""
MAX_CONNECTIONS: Final = 64
"""At a time per address; a browser opens six. More are closed at once."""


@dataclass(frozen=True, slots=True)
class RedirectAddress:
    """Where to listen."""

    host: str
    port: int
    paths: frozenset[str] = field(default=frozenset(), compare=False)
    """Of the redirect_uris that lead here; empty if a reverse proxy may have changed them."""


def redirect_addresses(accounts: Iterable[Account]) -> list[RedirectAddress]:
    """The distinct addresses that the accounts' redirects arrive at; what cannot be one is said in the log."""
    paths: dict[tuple[str, int], set[str] | None] = {}
    seen: set[tuple[str | None, str]] = set()
    for account in accounts:
        if account.permission_url is None or account.redirect_uri is None or account.oauth2_flow == "device":
            continue
        both = account.redirect_listen_address, account.redirect_uri
        if both in seen:  # as nearly all of very many accounts
            continue
        forwarded = account.redirect_listen_address is not None
        where = _host_and_port(account.redirect_listen_address or account.redirect_uri, forwarded=forwarded)
        if where is None:
            log.warning(
                "account %s: its redirect_uri %s is not an address that can be listened at; add "
                "redirect_listen_address = http://localhost:PORT if a reverse proxy forwards it, or use "
                "--external-auth and paste the address that the browser ends at",
                foreign(account.name),
                foreign(account.redirect_uri),
            )
            continue  # and said of each account
        seen.add(both)
        if forwarded:
            paths[where] = None
        elif paths.setdefault(where, set()) is not None:
            paths[where] = (paths[where] or set()) | {urlsplit(account.redirect_uri).path or "/"}
    return [RedirectAddress(host, port, frozenset(known or ())) for (host, port), known in paths.items()]


def _host_and_port(url: str, *, forwarded: bool) -> tuple[str, int] | None:
    text = url if "://" in url else f"http://{url}" if forwarded else url
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.scheme not in ("http", "https") or (parts.scheme == "https" and not forwarded):
        return None
    return parts.hostname, port if port is not None else 80


async def serve_redirects(
    accounts: Iterable[Account],
    consents: Consents,
    *,
    elsewhere: Callable[[RedirectAddress], bool] = lambda _: False,
    task_status: trio.TaskStatus[list[RedirectAddress]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Listen for the accounts' redirects until cancelled. Starts with the addresses that are really bound.

    An address that cannot be bound is logged with its remedy; the others go on, and pasting always works.

    Args:
        accounts: whose.
        consents: told of the answers.
        elsewhere: whether somebody else answers at an address.
        task_status: told what is bound.
    """
    bound: list[RedirectAddress] = []
    async with trio.open_nursery() as nursery:
        for address in redirect_addresses(accounts):
            if elsewhere(address):
                continue
            listeners = await _listen(address)
            if not listeners:
                continue
            bound.append(address)
            nursery.start_soon(_serve, listeners, address, consents)
            log.info("redirects are received at http://%s:%d", _bracketed(address.host), address.port)
        task_status.started(bound)
        await trio.sleep_forever()


async def _listen(address: RedirectAddress) -> list[trio.SocketListener]:
    """Sockets on every address of the host: ``localhost`` means 127.0.0.1 and ::1, as browsers try both."""
    listeners: list[trio.SocketListener] = []
    problem: OSError | None = None
    try:
        if address.host == "localhost":
            hosts = ["127.0.0.1", "::1"]
        else:
            found = await trio.socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            hosts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    except OSError as error:
        hosts, problem = [], error
    except UnicodeError as error:  # IDNA cannot encode the name
        hosts, problem = [], OSError(f"{address.host} is no host name ({error})")
    for host in hosts:
        try:
            listeners += await trio.open_tcp_listeners(address.port, host=host, backlog=64)
        except OSError as error:
            unavailable = error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
            if problem is None or not unavailable:
                problem = error
    if not listeners:
        log.error("redirects cannot be received at %s:%d: %s", address.host, address.port, _remedy(address, problem))
    elif problem is not None and problem.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        # A browser may try the address that somebody else has.
        log.warning("redirects are received only in part at %s:%d: %s", address.host, address.port, problem)
    return listeners


def _remedy(address: RedirectAddress, problem: OSError | None) -> str:
    paste = "or use --external-auth and paste the address that the browser ends at"
    number = _errno(problem)
    if number == errno.EACCES:
        return (
            f"port {address.port} needs privileges; use a redirect_uri with a port above 1023 (registered at the "
            f"provider too, e.g. http://localhost:8080), grant CAP_NET_BIND_SERVICE, {paste}"
        )
    if number == errno.EADDRINUSE:
        return f"another program has this port; stop it, use a redirect_uri with another port, {paste}"
    return f"{problem}; set redirect_listen_address to an address of this machine, {paste}"


def _errno(problem: BaseException | None) -> int | None:
    """The first error number in `problem`: trio reports several failed addresses as one error with a cause."""
    if isinstance(problem, BaseExceptionGroup):
        return next((number for each in problem.exceptions if (number := _errno(each)) is not None), None)
    if isinstance(problem, OSError) and problem.errno is not None:
        return problem.errno
    return _errno(problem.__cause__) if problem is not None and problem.__cause__ is not None else None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _serve(listeners: list[trio.SocketListener], address: RedirectAddress, consents: Consents) -> None:
    """Visit every connection of one address, and close its listeners in the end."""
    limit = trio.Semaphore(MAX_CONNECTIONS)
    await trio.serve_listeners(partial(_visit, address=address, consents=consents, limit=limit), listeners)


async def _visit(
    stream: trio.SocketStream, *, address: RedirectAddress, consents: Consents, limit: trio.Semaphore
) -> None:
    """One connection: one request, one answer. No fault of the peer leaves this function."""
    if limit.value == 0:
        log.warning("redirect listener: more than %d connections at once, one was closed", MAX_CONNECTIONS)
        await trio.aclose_forcefully(stream)
        return
    async with limit:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_REQUEST)
        try:
            request: tuple[h11.Request, bytes] | None = None
            body: str | None
            with trio.move_on_after(REQUEST_SECONDS):
                request = await _receive(connection, stream)
            if request is None:
                status, body = 408, notice("Too slow", "The request did not arrive in time.")
                head_only = False
            else:
                head_only = request[0].method == b"HEAD"
                head, form = request
                target = head.target.decode("ascii")
                status, body = await answer_redirect(head.method.decode(), target, form, address.paths, consents)
            with trio.move_on_after(REQUEST_SECONDS):
                await _send(connection, stream, status, body, head_only=head_only)
        except h11.RemoteProtocolError as error:
            log.debug("redirect listener: not HTTP (a browser that was sent to https?): %s", foreign(error, 128))
            if connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                with trio.move_on_after(REQUEST_SECONDS):
                    await _refuse(connection, stream, error.error_status_hint)
        except (trio.BrokenResourceError, trio.ClosedResourceError, _HungUpError):
            log.debug("redirect listener: the browser hung up")
        finally:
            await trio.aclose_forcefully(stream)


class _HungUpError(Exception):
    """The peer closed before its request was complete."""


async def _receive(connection: h11.Connection, stream: trio.SocketStream) -> tuple[h11.Request, bytes]:
    request: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                await stream.send_all(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            connection.receive_data(await stream.receive_some(MAX_REQUEST))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_REQUEST:
                raise h11.RemoteProtocolError("the form is too long", error_status_hint=413)
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            return request, body
        else:
            raise _HungUpError


async def answer_redirect(
    method: str, target: str, body: bytes, paths: frozenset[str], consents: Consents
) -> tuple[int, str | None]:
    """Status and page (None: no body) for what may be a redirect; `emailproxy.oauth.pages.HEADERS` go with it.

    Args:
        method: of the request.
        target: its path and query.
        body: a form, with POST.
        paths: where redirects are expected; empty: anywhere, as a reverse proxy may have changed the path.
        consents: told of the answer.
    """
    try:
        parts = urlsplit(target)
    except ValueError:
        return 400, notice("Bad address", "This address cannot be read.")
    path, query = parts.path or "/", parts.query
    if path in ("/favicon.ico", "/robots.txt") or path.startswith("/apple-touch-icon"):
        return 404, None
    if paths and path not in paths:
        return 404, notice("Nothing here", "This is the place where sign-ins for the mail proxy end, at another path.")
    if method not in ("GET", "HEAD", "POST"):
        return 405, notice("Not here", "Only a browser's redirect is answered here.")
    # Behind a reverse proxy the path may be another than the account's; an empty one is not compared.
    prefix = f"http://localhost{path}" if paths else ""
    if method == "POST":
        return await _confirmed(body, prefix, consents)
    if method == "HEAD" or not query:
        # A probe or a link scanner: says that it is there, ends nothing.
        return 200, notice("Ready", "Sign-ins for the mail proxy end here. None has with this request.")
    outcome = await _outcome(consents, f"{prefix}?{query}", confirmed=False)
    return page(outcome, query)


async def _confirmed(body: bytes, prefix: str, consents: Consents) -> tuple[int, str]:
    """The answer to the question whether the mail password was changed."""
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=8)
    except ValueError:
        fields = {}
    query, confirm = fields.get("query", [""])[0], fields.get("confirm", [""])[0]
    url = f"{prefix}?{query}"
    if confirm == "no":
        return page(consents.decline(url))
    return page(await _outcome(consents, url, confirmed=confirm == "yes"), query)


async def _outcome(consents: Consents, url: str, *, confirmed: bool) -> Outcome:
    with trio.move_on_after(OUTCOME_SECONDS):
        return await consents.complete(url, confirmed=confirmed)
    return Outcome(
        OutcomeKind.FAILED, message="The provider is slow. The sign-in goes on behind this page; the log tells its end."
    )


async def _send(
    connection: h11.Connection, stream: trio.SocketStream, status: int, body: str | None, *, head_only: bool
) -> None:
    octets = (body or "").encode("utf-8", "replace")
    headers = [
        *HEADERS,
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(octets))),
        ("Connection", "close"),
    ]
    data = connection.send(h11.Response(status_code=status, headers=headers)) or b""
    if not head_only:
        data += connection.send(h11.Data(data=octets)) or b""
    data += connection.send(h11.EndOfMessage()) or b""
    await stream.send_all(data)
    await stream.send_eof()


async def _refuse(connection: h11.Connection, stream: trio.SocketStream, status: int) -> None:
    """Answer what was no request. A peer that is gone by now is no event."""
    try:
        await _send(connection, stream, status, notice("Not understood", "This was not HTTP."), head_only=False)
    except (trio.BrokenResourceError, trio.ClosedResourceError, h11.LocalProtocolError):
        log.debug("redirect listener: the peer did not wait for the refusal")
