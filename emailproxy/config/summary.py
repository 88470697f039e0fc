"""What would be served? The text that ``emailproxy check`` prints."""

from __future__ import annotations

from collections.abc import Iterable

from emailproxy.config.model import Account, Config, MailServer, Server

__all__ = ["describe"]


def describe(config: Config) -> str:
    """Servers, accounts and warnings of `config` in lines for a person; no secret in any of them."""
    lines = [f"{config.path}: {_count(len(config.servers), 'server')}, {_count(len(config.accounts), 'account')}", ""]
    lines += ["Servers", *(f"  {_server(server)}" for server in config.servers), ""]
    lines.append("Accounts")
    lines += [f"  {_account(account, config.servers)}" for account in config.accounts.values()]
    lines += [f"  {_account(template, config.servers, ' (catch-all)')}" for template in config.templates.values()]
    if not config.accounts and not config.templates:
        lines.append("  none")
    if config.references:
        lines += ["", "References"]
        lines += [f"  [{use.section}] {use.option} <- {use.reference}" for use in config.references]
    if config.warnings:
        lines += ["", "Warnings", *(f"  {warning}" for warning in config.warnings)]
    return "\n".join(lines) + "\n"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _server(server: Server) -> str:
    address = server.local_address
    where = f"all interfaces, port {server.local_port}" if address is None else _endpoint(address, server.local_port)
    downstream = _tls(starttls=server.local_starttls) if server.local_tls else "no TLS"
    upstream = _upstream(server.mail_server) if server.mail_server is not None else "the accounts' own servers"
    passing = ", passes tokens" if server.pass_tokens else ""
    return f"{server.protocol.value:4}  {where} ({downstream}{passing}) -> {upstream}"


def _upstream(server: MailServer) -> str:
    return f"{server} ({_tls(starttls=server.starttls)})"


def _tls(*, starttls: bool) -> str:
    return "STARTTLS" if starttls else "TLS"


def _endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _account(account: Account, servers: Iterable[Server], kind: str = "") -> str:
    """One line, and one more for each thing that is not as usual."""
    public = account.client_secret is None and account.inherited_secret is None and not account.asserts
    wanted = account.use_pkce if account.use_pkce is not None else public
    pkce = " with PKCE" if wanted and account.oauth2_flow == "authorization_code" else ""
    lines = [f"{account.name}  {account.oauth2_flow}{pkce}{f', {account.provider}' if account.provider else ''}{kind}"]
    if account.login_aliases:
        lines.append(f"  logs in as {', '.join(account.login_aliases)} too")
    if account.upstream_user is not None:
        lines.append(f"  is {account.upstream_user} to the provider")
    lines += [f"  is {user} to the {protocol.value} server" for protocol, user in account.protocol_users]
    # What its logins will meet, which depends on the port they come to.
    routes = {(server.protocol, account.mail_server(server)) for server in servers if _is_routed(account, server)}
    lines += sorted(
        f"  {protocol.value} goes to {_upstream(route) if route is not None else 'no server: it cannot log in'}"
        for protocol, route in routes
    )
    return "\n  ".join(lines)


def _is_routed(account: Account, server: Server) -> bool:
    return server.mail_server is None or account.mail_server(server) != server.mail_server
