"""Which servers does a configuration offer? Sections such as ``[IMAP-1993]``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from emailproxy.config.balancers import BALANCER_OPTIONS, read_balancers
from emailproxy.config.certificates import check_pair
from emailproxy.config.client_certificates import CERTIFICATE_OPTIONS, read_client_certificates
from emailproxy.config.default_accounts import read_default_accounts
from emailproxy.config.mechanisms import read_auth_mechanisms
from emailproxy.config.model import MailProtocol, Server
from emailproxy.config.options import Findings, Option, Reader, is_host, is_loopback
from emailproxy.config.presets import completed_server
from emailproxy.config.routes import check_starttls, is_server_name
from emailproxy.config.syntax import Section

__all__ = ["SERVER_OPTIONS", "is_server", "needs_managed_accounts", "read_servers"]

SERVER_OPTIONS: Final = frozenset(
    {
        "server_address",
        "server_port",
        "local_address",
        "server_starttls",
        "starttls",
        "local_starttls",
        "local_certificate_path",
        "local_key_path",
        "min_tls",
        "sasl_ir",
        "provider",
        "pass_tokens",
        "auth_mechanisms",
        *CERTIFICATE_OPTIONS,
        "default_account",
        *BALANCER_OPTIONS,
    }
)
# Explanations that files of the classic proxy carry in any section.
DOCUMENTATION: Final = frozenset({"documentation"})

_SERVER: Final = re.compile(r"(?P<protocol>IMAP|POP|SMTP)-(?P<port>[0-9]+)")
# What people write when they mean a server: another case, another separator, a name of a port.
_ALMOST: Final = re.compile(
    r"\s*(?P<protocol>imap|pop|smtp|submission)[34]?s?(?:rev1)?[\s_:./-]*(?P<port>[+-]?[0-9]{2,})\s*", re.IGNORECASE
)
_PROTOCOLS: Final = {"imap": "IMAP", "pop": "POP", "smtp": "SMTP", "submission": "SMTP"}


def is_server(section: str) -> bool:
    """Whether a section of that name is a server."""
    return _SERVER.fullmatch(section) is not None


def read_servers(sections: Mapping[str, Section], findings: Findings) -> tuple[Server, ...]:
    """All servers of `sections` in their order; those with a fault are left out and the fault noted."""
    servers: list[Server] = []
    taken: list[_Place] = []
    seen = False
    for section in sections.values():
        if "@" in section.name:
            continue  # an account, of which there may be very many
        if match := _SERVER.fullmatch(section.name):
            seen = True
            server = _read_server(section, MailProtocol(match["protocol"]), match["port"], taken, findings)
            if server is not None:
                servers.append(server)
        elif match := _ALMOST.fullmatch(section.name):
            seen = True
            right = f"{_PROTOCOLS[match['protocol'].lower()]}-{match['port'].lstrip('+-')}"
            findings.fault(
                section.name,
                None,
                "looks like a server but is not",
                f"name it [{right}]; the types are IMAP, POP and SMTP, and TLS towards the mail client comes from "
                "local_certificate_path",
            )
        elif {"server_address", "server_port"} <= section.own:
            findings.warn(
                section.name, None, "has a server's options but not a server's name", "name it, say, [IMAP-1993]"
            )
    if not seen:
        findings.fault(
            None, None, "there is no server", "add a section such as [IMAP-1993] with server_address and server_port"
        )
    return tuple(servers)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a section would listen, whatever else may be wrong with it."""

    section: str
    local_address: str | None
    local_port: int


def _read_server(
    section: Section, protocol: MailProtocol, port: str, taken: list[_Place], findings: Findings
) -> Server | None:
    before = len(findings.faults)
    findings.check_names(section.name, section.own, SERVER_OPTIONS | DOCUMENTATION)
    options = {name: Option.of(section, name) for name in section.options}
    options = completed_server(protocol, options, Reader(section.name, options, findings))
    reader = Reader(section.name, options, findings)

    # Longer numbers are out of range whatever they say, and int() is slow on them.
    local_port = int(port) if len(port) <= 20 else 0
    local_address = (reader.text("local_address") or "").removeprefix("[").removesuffix("]") or None
    if 1 <= local_port <= 65535:
        _check_overlap(_Place(section.name, local_address, local_port), taken, findings)
    else:
        reader.fault(None, f"port {port[:20]} is outside 1-65535", "name a port between 1 and 65535")
    address, server_port = _read_mail_server(reader)
    if local_address is not None and not is_host(local_address):
        reader.fault("local_address", "the value is no address", "write an IP address of this machine, or localhost")
    local_starttls = reader.boolean("local_starttls")
    starttls = reader.boolean("server_starttls", reader.boolean("starttls"))
    starttls_option = "starttls" if reader.text("server_starttls") is None else "server_starttls"
    check_starttls(reader, "server_port", starttls_option, server_port, starttls=starttls)

    certificate = reader.path("local_certificate_path")
    if local_starttls and certificate is None:
        reader.fault(
            "local_starttls",
            "there is no certificate to offer STARTTLS with",
            "add local_certificate_path and local_key_path",
        )
    check_pair(reader, "local_certificate_path", "local_key_path")
    min_tls = reader.choice("min_tls", ("1.2", "1.0", "1.1", "1.3"))
    if min_tls < "1.2":
        reader.warn(
            "min_tls", f"TLS {min_tls} towards mail clients can be broken", "use it only for devices that know no newer"
        )
    if certificate is None and (local_address is None or not is_loopback(local_address)):
        reader.warn(
            "local_address",
            f"mail passwords arrive without TLS on {local_address or 'every interface of this machine'}",
            "write local_address = localhost, or add local_certificate_path and local_key_path",
        )
    mechanisms = read_auth_mechanisms(reader)
    client_certificates = read_client_certificates(reader)
    default_accounts = read_default_accounts(reader, protocol)
    balancers = read_balancers(reader)
    if len(findings.faults) > before:
        return None
    return Server(
        section=section.name,
        protocol=protocol,
        local_port=local_port,
        server_address=address,
        server_port=server_port,
        local_address=local_address,
        server_starttls=starttls,
        local_starttls=local_starttls,
        local_certificate_path=certificate,
        local_key_path=reader.path("local_key_path"),
        min_tls=min_tls,
        sasl_ir=reader.choice("sasl_ir", ("auto", "never")) == "auto",
        pass_tokens=reader.boolean("pass_tokens"),
        auth_mechanisms=mechanisms,
        client_certificates=client_certificates,
        default_accounts=default_accounts,
        proxy_protocol_from=balancers,
    )


def needs_managed_accounts(server: Server) -> str | None:
    """The option of `server` that lets in otherwise than by a password that is sent; None: it has none."""
    if server.auth_mechanisms:
        return "auth_mechanisms"
    if server.client_certificates is not None:
        return "client_ca_path"
    return "default_account" if server.default_accounts else None


def _read_mail_server(reader: Reader) -> tuple[str | None, int | None]:
    """The mail server's address and port; None for both where the accounts have servers of their own."""
    address = reader.text("server_address")
    if address is not None:
        _check_address(reader, address)
        reader.required("server_port", "add the port of the mail server, for instance 993, 995, 465 or 587")
    else:
        given = [name for name in ("server_port", "server_starttls", "starttls") if reader.text(name) is not None]
        if given:
            reader.fault(
                "server_address",
                "this required option is missing",
                f"add the host name of the mail server, or remove {given[0]} where the accounts name their servers",
            )
    return address, reader.port("server_port")


def _check_address(reader: Reader, address: str) -> None:
    if reader.placeholder("server_address"):
        reader.fault("server_address", "this is still the sample's text", "write the host name of the mail server")
    elif not is_server_name(address):
        reader.fault(
            "server_address",
            f"{address if address.isprintable() and '@' not in address else 'the value'} is no host name",
            "write the name alone, such as imap.example.com; the port goes to server_port",
        )


def _check_overlap(place: _Place, taken: list[_Place], findings: Findings) -> None:
    """Note a fault for each section that listens there already, and take the place."""
    for other in taken:
        if other.local_port == place.local_port and _overlap(place.local_address, other.local_address):
            findings.fault(
                place.section,
                None,
                f"port {place.local_port} is also the port of [{other.section}]",
                "give each server its own port, or each a local_address of its own",
            )
    taken.append(place)


def _overlap(one: str | None, other: str | None) -> bool:
    """Whether two listeners on one port would meet. Names are not looked up, only compared."""
    first, second = (_normalised(address) for address in (one, other))
    if first == second or "::" in (first, second):
        return True
    if "0.0.0.0" in (first, second):  # noqa: S104 - compared, not bound
        return not (":" in first or ":" in second)
    # localhost is 127.0.0.1 and ::1 at once.
    return "localhost" in (first, second) and bool({"127.0.0.1", "::1"} & {first, second})


def _normalised(address: str | None) -> str:
    if address is None:
        return "::"
    folded = address.casefold().rstrip(".")
    return {"0:0:0:0:0:0:0:0": "::", "*": "::", "0": "0.0.0.0", "0:0:0:0:0:0:0:1": "::1"}.get(folded, folded)  # noqa: S104
