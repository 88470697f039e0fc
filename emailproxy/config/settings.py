"""What does the section ``[emailproxy]`` say?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from emailproxy.config.console import CONSOLE_OPTIONS, read_channel
from emailproxy.config.model import ReloadOnChange, Settings
from emailproxy.config.notifying import read_notify_command, read_notify_url
from emailproxy.config.options import Findings, Option, Reader
from emailproxy.config.sealing import read_seal_key
from emailproxy.config.servers import DOCUMENTATION
from emailproxy.config.syntax import Section

__all__ = ["SETTINGS_OPTIONS", "SETTINGS_SECTION", "read_settings"]

SETTINGS_SECTION: Final = "emailproxy"
SETTINGS_OPTIONS: Final = frozenset(Settings.__dataclass_fields__) - {"channel"} | CONSOLE_OPTIONS


def read_settings(sections: Mapping[str, Section], findings: Findings) -> Settings:
    """The switches and limits, or their defaults."""
    for name in sections:
        if name != SETTINGS_SECTION and name.strip().casefold() == SETTINGS_SECTION:
            findings.fault(name, None, "looks like [emailproxy] but is not", "write the name in lower case")
    section = sections.get(SETTINGS_SECTION)
    if section is None:
        return Settings()
    findings.check_names(section.name, section.own, SETTINGS_OPTIONS | DOCUMENTATION)
    options = {name: Option.of(section, name) for name in section.options}
    reader = Reader(section.name, options, findings)
    default = Settings()
    return Settings(
        delete_account_token_on_password_error=reader.boolean(
            "delete_account_token_on_password_error", default.delete_account_token_on_password_error
        ),
        encrypt_client_secret_on_first_use=reader.boolean("encrypt_client_secret_on_first_use"),
        use_login_password_as_client_credentials_secret=reader.boolean(
            "use_login_password_as_client_credentials_secret"
        ),
        allow_catch_all_accounts=reader.boolean("allow_catch_all_accounts"),
        login_wait=reader.seconds("login_wait", default.login_wait),
        drain=reader.seconds("drain", default.drain) or 0.0,
        drain_grace=reader.seconds("drain_grace", default.drain_grace) or 0.0,
        reload_on_change=_read_reload_on_change(reader),
        secret_lifetime=reader.seconds("secret_lifetime", default.secret_lifetime) or 0.0,
        seal_key=read_seal_key(reader, "seal_key"),
        seal_key_previous=read_seal_key(reader, "seal_key_previous"),
        trust_first_login=reader.boolean("trust_first_login"),
        notify_command=read_notify_command(reader),
        notify_url=read_notify_url(reader),
        channel=read_channel(reader),
        max_connections=reader.integer("max_connections", default.max_connections, least=1),
        max_connections_per_address=reader.integer(
            "max_connections_per_address", default.max_connections_per_address, least=1
        ),
    )


def _read_reload_on_change(reader: Reader) -> ReloadOnChange:
    if (reader.text("reload_on_change") or "certificates").lower() == "certificates":
        return ReloadOnChange.CERTIFICATES
    everything = reader.boolean("reload_on_change", remedy="write True, False or certificates")
    return ReloadOnChange.EVERYTHING if everything else ReloadOnChange.NOTHING
