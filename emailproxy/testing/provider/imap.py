"""How does the simulated IMAP server converse (RFC 9051 and 3501, as much as mail clients use)?"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from emailproxy.testing.provider.imap_fetch import fetch_items, fetch_response, marks_seen
from emailproxy.testing.provider.imap_search import search
from emailproxy.testing.provider.imap_syntax import Command, SyntaxFault, Token, number_set, quoted, read_command
from emailproxy.testing.provider.mailbox import Folder, Mailbox, Message
from emailproxy.testing.provider.profile import Profile
from emailproxy.testing.provider.sasl import Gate, Refusal
from emailproxy.testing.provider.wire import Disconnected, LineTooLong, Wire

__all__ = ["ImapSession"]

SASL_LIMIT: Final = 12_288
"""Octets of a SASL response line (RFC 4954 section 4 gives this number for SMTP; real servers take as much)."""

FLAGS: Final = r"\Answered \Flagged \Deleted \Seen \Draft"


class _LoggedOut(Exception):  # noqa: N818 - ends the loop
    """The goodbye has been sent."""


class ImapSession:
    """One connection, from greeting to goodbye."""

    def __init__(self, wire: Wire, gate: Gate, profile: Profile, starttls: ssl.SSLContext | None) -> None:
        self._wire = wire
        self._gate = gate
        self._profile = profile
        self._starttls = starttls
        self._mailbox: Mailbox | None = None
        self._folder: Folder | None = None
        self._read_only = False
        self._view: list[Message] = []
        """The messages as this client has been told of them; sequence numbers count in here."""

    async def run(self) -> None:
        """Serve until the client leaves.

        Raises:
            Disconnected: it left without a word.
        """
        capabilities = " ".join(self._capabilities())
        await self._line(self._profile.imap_greeting.format(capabilities=capabilities))
        while True:
            try:
                command = await read_command(self._wire, self._find_folder, early=self._mailbox is None)
                await self._handler(command)(command)
            except SyntaxFault as fault:
                await self._line(f"{fault.tag} BAD {fault.problem}")
            except LineTooLong:
                await self._line("* BAD line too long")
            except _LoggedOut:
                return

    def _handler(self, command: Command) -> Callable[[Command], Awaitable[None]]:
        always = {
            "CAPABILITY": self._capability,
            "NOOP": self._noop,
            "ID": self._id,
            "LOGOUT": self._logout,
        }
        before = {"STARTTLS": self._start_tls, "AUTHENTICATE": self._authenticate, "LOGIN": self._login}
        after = {
            "NAMESPACE": self._namespace,
            "LIST": self._list,
            "LSUB": self._list,
            "SUBSCRIBE": self._done,
            "UNSUBSCRIBE": self._done,
            "CREATE": self._create,
            "STATUS": self._status,
            "SELECT": self._select,
            "EXAMINE": self._select,
            "APPEND": self._append,
            "IDLE": self._idle,
        }
        selected = {
            "CHECK": self._noop,
            "CLOSE": self._close,
            "UNSELECT": self._close,
            "FETCH": self._fetch,
            "UID FETCH": self._fetch,
            "STORE": self._store,
            "UID STORE": self._store,
            "COPY": self._copy,
            "UID COPY": self._copy,
            "SEARCH": self._search,
            "UID SEARCH": self._search,
            "EXPUNGE": self._expunge,
            "UID EXPUNGE": self._expunge,
        }
        allowed = dict(always)
        allowed |= before if self._mailbox is None else after
        if self._folder is not None:
            allowed |= selected
        if command.name in allowed:
            return allowed[command.name]
        known = command.name in {*before, *after, *selected}
        raise SyntaxFault(command.tag, "Command received in Invalid state." if known else "Command unknown.")

    # --- any state ---------------------------------------------------------------------------------------------------

    def _capabilities(self) -> list[str]:
        if self._mailbox is not None:
            return list(self._profile.imap_login_capabilities)
        capabilities = list(self._profile.imap_capabilities)
        if self._wire.secure:
            return capabilities
        plain = [name for name in capabilities if not name.startswith("AUTH=")]
        return [*plain, "STARTTLS", "LOGINDISABLED"]

    async def _capability(self, command: Command) -> None:
        await self._line("* CAPABILITY " + " ".join(self._capabilities()))
        await self._done(command)

    async def _noop(self, command: Command) -> None:
        await self._wire.send(self._changes() + f"{command.tag} OK {command.name} completed.\r\n".encode())

    async def _id(self, command: Command) -> None:
        await self._line('* ID ("name" "simulated provider")')
        await self._done(command)

    async def _logout(self, command: Command) -> None:
        await self._line("* BYE Logging out.")
        await self._done(command)
        raise _LoggedOut

    async def _done(self, command: Command) -> None:
        await self._line(f"{command.tag} OK {command.name} completed.")

    async def _line(self, text: str) -> None:
        await self._wire.send(text.encode() + b"\r\n")

    # --- before login ------------------------------------------------------------------------------------------------

    async def _start_tls(self, command: Command) -> None:
        if self._starttls is None or self._wire.secure:
            raise SyntaxFault(command.tag, "STARTTLS is not possible now.")
        await self._line(f"{command.tag} OK Begin TLS negotiation now.")
        await self._wire.start_tls(self._starttls)

    async def _login(self, command: Command) -> None:
        await self._line(f"{command.tag} NO LOGIN failed.")

    async def _authenticate(self, command: Command) -> None:
        mechanism = command.text(0).upper()
        if not self._wire.secure or mechanism not in self._profile.mechanisms:
            await self._line(f"{command.tag} NO Mechanism is not supported.")
            return
        if len(command.arguments) > 1:
            if "SASL-IR" not in self._profile.imap_capabilities:
                raise SyntaxFault(command.tag, "Initial response is not supported.")
            response = command.text(1).encode()
        else:
            await self._line("+ ")
            response = await self._wire.read_line(SASL_LIMIT)
        if response == b"*":
            raise SyntaxFault(command.tag, "Client aborted AUTHENTICATE command.")
        verdict = self._gate.check("imap", mechanism, response)
        if isinstance(verdict, Refusal):
            if verdict.challenge is not None:
                await self._line("+ " + verdict.challenge)
                await self._wire.read_line(SASL_LIMIT)
            await self._line(f"{command.tag} NO {self._profile.imap_login_no}")
            return
        self._mailbox = verdict
        capabilities = " ".join(self._capabilities())
        code = f"[CAPABILITY {capabilities}] " if self._profile.imap_announces == "in OK" else ""
        untagged = f"* CAPABILITY {capabilities}\r\n" if self._profile.imap_announces == "untagged" else ""
        words = self._profile.imap_login_ok.format(user=verdict.user)
        await self._line(f"{untagged}{command.tag} OK {code}{words}")

    # --- folders -----------------------------------------------------------------------------------------------------

    def _find_folder(self, name: str) -> Folder | None:
        return self._mailbox.folder(name) if self._mailbox is not None else None

    async def _wanted_folder(self, command: Command, code: str = "NONEXISTENT") -> Folder | None:
        """The folder that the first argument names; None after saying NO."""
        folder = self._find_folder(command.text(0))
        if folder is None:
            await self._line(f"{command.tag} NO [{code}] No such folder.")
        return folder

    async def _namespace(self, command: Command) -> None:
        await self._line('* NAMESPACE (("" "/")) NIL NIL')
        await self._done(command)

    async def _list(self, command: Command) -> None:
        assert self._mailbox is not None
        pattern = command.text(1)
        if not pattern:
            await self._line(f'* {command.name} (\\Noselect) "/" ""')
        for name in self._mailbox.folders:
            if pattern in {"*", "%"} or self._mailbox.folder(pattern) is self._mailbox.folders[name]:
                await self._line(f'* {command.name} (\\HasNoChildren) "/" {quoted(name)}')
        await self._done(command)

    async def _create(self, command: Command) -> None:
        assert self._mailbox is not None
        name = command.text(0)
        if self._mailbox.folder(name) is not None:
            await self._line(f"{command.tag} NO [ALREADYEXISTS] Folder exists.")
            return
        self._mailbox.folders[name] = Folder(name)
        await self._done(command)

    async def _status(self, command: Command) -> None:
        folder = await self._wanted_folder(command)
        if folder is None:
            return
        values = {
            "MESSAGES": len(folder.messages),
            "RECENT": 0,
            "UIDNEXT": folder.next_uid,
            "UIDVALIDITY": 1,
            "UNSEEN": sum("\\Seen" not in message.flags for message in folder.messages),
            "SIZE": sum(len(message.octets) for message in folder.messages),
        }
        asked = command.arguments[1] if len(command.arguments) > 1 else []
        items = [item.decode("ascii", "replace").upper() for item in asked if isinstance(item, bytes)]
        if not items or not values.keys() >= set(items):
            raise SyntaxFault(command.tag, "STATUS items are missing or unknown.")
        pairs = " ".join(f"{item} {values[item]}" for item in items)
        await self._line(f"* STATUS {quoted(folder.name)} ({pairs})")
        await self._done(command)

    async def _select(self, command: Command) -> None:
        self._folder, self._view = None, []
        folder = await self._wanted_folder(command)
        if folder is None:
            return
        self._folder = folder
        self._view = list(folder.messages)
        self._read_only = command.name == "EXAMINE"
        lines = [
            f"* {len(self._view)} EXISTS",
            "* 0 RECENT",
            f"* FLAGS ({FLAGS})",
            f"* OK [PERMANENTFLAGS ({'' if self._read_only else FLAGS})] Flags permitted.",
            "* OK [UIDVALIDITY 1] UIDs valid.",
            f"* OK [UIDNEXT {folder.next_uid}] Predicted next UID.",
            f"{command.tag} OK [{'READ-ONLY' if self._read_only else 'READ-WRITE'}] {command.name} completed.",
        ]
        await self._line("\r\n".join(lines))

    async def _close(self, command: Command) -> None:
        if command.name == "CLOSE" and not self._read_only:
            self._remove_deleted(lambda _uid: True)
        self._folder, self._view = None, []
        await self._done(command)

    async def _append(self, command: Command) -> None:
        octets = command.arguments[-1]
        folder = await self._wanted_folder(command, "TRYCREATE")
        if folder is None:
            return
        if len(command.arguments) < 2 or not isinstance(octets, bytes):
            raise SyntaxFault(command.tag, "APPEND without a message.")
        flags = command.arguments[1] if isinstance(command.arguments[1], list) else []
        message = folder.append(octets, {flag.decode() for flag in flags if isinstance(flag, bytes)})
        changes = self._changes().decode()
        await self._line(f"{changes}{command.tag} OK [APPENDUID 1 {message.uid}] APPEND completed.")

    async def _idle(self, command: Command) -> None:
        """RFC 2177. The reader is never cancelled, so nothing that the client sends is lost."""
        await self._line("+ idling")
        line: bytes | None = None
        failure: Disconnected | LineTooLong | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_changes)
            try:
                line = await self._wire.read_line(SASL_LIMIT)
            except (Disconnected, LineTooLong) as error:
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if line is None or line.upper() != b"DONE":
            raise SyntaxFault(command.tag, "Expected DONE.")
        await self._done(command)

    async def _tell_changes(self) -> None:
        """Send what changes in the folder until cancelled; a send under way is finished, or TLS would be lost."""
        while True:
            changed = trio.Event() if self._folder is None else self._folder.changed
            changes = self._changes()
            if changes:
                try:
                    with trio.CancelScope(shield=True):
                        await self._wire.send(changes)
                except Disconnected:
                    return
            await changed.wait()

    # --- messages ----------------------------------------------------------------------------------------------------

    def _changes(self) -> bytes:
        """Untagged responses that bring the client's view up to date."""
        if self._folder is None:
            return b""
        lines = []
        present = set(self._folder.messages)
        for index in range(len(self._view), 0, -1):
            if self._view[index - 1] not in present:
                del self._view[index - 1]
                lines.append(f"* {index} EXPUNGE\r\n")
        if len(self._view) != len(self._folder.messages):
            self._view = list(self._folder.messages)
            lines.append(f"* {len(self._view)} EXISTS\r\n")
        return "".join(lines).encode()

    def _chosen(self, command: Command) -> list[tuple[int, Message]]:
        """The messages that the first argument names, with their sequence numbers."""
        by_uid = command.name.startswith("UID ")
        largest = max((message.uid for message in self._view), default=0) if by_uid else len(self._view)
        try:
            contains = number_set(command.text(0), largest)
        except ValueError:
            raise SyntaxFault(command.tag, "Sequence set is malformed.") from None
        numbered = enumerate(self._view, 1)
        return [(number, message) for number, message in numbered if contains(message.uid if by_uid else number)]

    async def _fetch(self, command: Command) -> None:
        items = fetch_items(command.arguments[1] if len(command.arguments) > 1 else [])
        if command.name == "UID FETCH" and "UID" not in (item.upper() for item in items):
            items = ["UID", *items]
        mark = marks_seen(items) and not self._read_only
        for number, message in self._chosen(command):
            newly_seen = mark and "\\Seen" not in message.flags
            if newly_seen:
                message.flags.add("\\Seen")
            extra = ["FLAGS"] if newly_seen and "FLAGS" not in (item.upper() for item in items) else []
            try:
                pieces = fetch_response(number, message, [*items, *extra])
            except ValueError as error:
                raise SyntaxFault(command.tag, str(error)) from None
            await self._send_pieces(pieces)
        await self._done(command)

    async def _send_pieces(self, pieces: list[bytes]) -> None:
        """Send small pieces together and big ones without a copy."""
        small = bytearray()
        for piece in pieces:
            if len(piece) < 64 * 1024:
                small += piece
                continue
            await self._wire.send(bytes(small))
            await self._wire.send(piece)
            small.clear()
        await self._wire.send(bytes(small))

    async def _store(self, command: Command) -> None:
        action = command.text(1).upper()
        operation = action.removesuffix(".SILENT")
        argument: Token = command.arguments[2] if len(command.arguments) > 2 else []
        tokens = argument if isinstance(argument, list) else command.arguments[2:]
        flags = {token.decode() for token in tokens if isinstance(token, bytes)}
        if operation not in {"FLAGS", "+FLAGS", "-FLAGS"}:
            raise SyntaxFault(command.tag, "STORE knows FLAGS only.")
        if self._read_only:
            await self._line(f"{command.tag} NO Folder is read-only.")
            return
        for number, message in self._chosen(command):
            if operation == "FLAGS":
                message.flags = set(flags)
            elif operation == "+FLAGS":
                message.flags |= flags
            else:
                message.flags -= flags
            if not action.endswith(".SILENT"):
                items = ["UID", "FLAGS"] if command.name == "UID STORE" else ["FLAGS"]
                await self._send_pieces(fetch_response(number, message, items))
        await self._done(command)

    async def _copy(self, command: Command) -> None:
        target = self._find_folder(command.text(1))
        if target is None:
            await self._line(f"{command.tag} NO [TRYCREATE] No such folder.")
            return
        for _number, message in self._chosen(command):
            target.append(message.octets, set(message.flags))
        await self._done(command)

    async def _search(self, command: Command) -> None:
        try:
            found = search(self._view, list(command.arguments))
        except ValueError as error:
            raise SyntaxFault(command.tag, str(error)) from None
        by_uid = command.name.startswith("UID ")
        numbers = [message.uid if by_uid else number for number, message in found]
        await self._line("* SEARCH" + "".join(f" {number}" for number in numbers))
        await self._done(command)

    def _remove_deleted(self, chosen: Callable[[int], bool]) -> None:
        assert self._folder is not None
        for message in list(self._view):
            if "\\Deleted" in message.flags and chosen(message.uid):
                self._folder.remove(message)

    async def _expunge(self, command: Command) -> None:
        chosen: Callable[[int], bool] = lambda _uid: True  # noqa: E731
        if command.name == "UID EXPUNGE":
            uids = {message.uid for _number, message in self._chosen(command)}
            chosen = uids.__contains__
        self._remove_deleted(chosen)
        await self._noop(command)
