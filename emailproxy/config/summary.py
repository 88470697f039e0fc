"""What would be served? The text that ``emailproxy check`` prints."""

from __future__ import annotations

from emailproxy.config.model import Account, Config, Server

__all__ = ["describe"]


def describe(config: Config) -> str:
    """Servers, accounts and warnings of `config` in lines for a person; no secret in any of them."""
    lines = [f"{config.path}: {_count(len(config.servers), 'server')}, {_count(len(config.accounts), 'account')}", ""]
    lines += ["Servers", *(f"  {_server(server)}" for server in config.servers), ""]
    lines.append("Accounts")
    lines += [f"  {_account(account)}" for account in config.accounts.values()]
    lines += [f"  {_account(template)} (catch-all)" for template in config.templates.values()]
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
    upstream = _tls(starttls=server.server_starttls)
    return (
        f"{server.protocol.value:4}  {where} ({downstream}) -> "
        f"{_endpoint(server.server_address, server.server_port)} ({upstream})"
    )


def _tls(*, starttls: bool) -> str:
    return "STARTTLS" if starttls else "TLS"


def _endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _account(account: Account) -> str:
    public = account.client_secret is None and account.inherited_secret is None and not account.asserts
    wanted = account.use_pkce if account.use_pkce is not None else public
    pkce = " with PKCE" if wanted and account.oauth2_flow == "authorization_code" else ""
    return f"{account.name}  {account.oauth2_flow}{pkce}"
