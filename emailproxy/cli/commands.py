"""Which commands are there, in which module is each, and what does help say of it in a line?"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["COMMANDS", "OF_ACCOUNTS", "OF_CACHE"]

Table = Mapping[str, tuple[str, str]]

COMMANDS: Final[Table] = MappingProxyType(
    {
        "accounts": ("emailproxy.cli.accounts:accounts", "List the accounts, and how they stand."),
        "authorise": (
            "emailproxy.cli.authorising:authorise_command",
            "Authorise an account here, without a mail client.",
        ),
        "cache": (
            "emailproxy.cli.cache:cache",
            "Look at what is kept for the accounts, move it, test where it is kept.",
        ),
        "check": ("emailproxy.cli.checking:check", "Check the configuration; print what would be served."),
        "completion": (
            "emailproxy.cli.completion:completion",
            "Print what makes a shell complete commands, accounts and sessions.",
        ),
        "console": ("emailproxy.cli.console_page:console", "Open the running proxy's page in a browser."),
        "demo": ("emailproxy.cli.demonstration:demo", "Show mail going through, on this machine alone."),
        "deploy-config": (
            "emailproxy.cli.deploy_config:deploy_config",
            "Write the configuration that belongs to what Terraform made.",
        ),
        "doctor": (
            "emailproxy.cli.doctor:doctor",
            "Find out why an account's login does not work, and what to do.",
        ),
        "drain": ("emailproxy.cli.lifecycle:drain", "Stop the running proxy when its sessions have ended."),
        "kick": ("emailproxy.cli.running:kick", "End a mail session."),
        "passwords": ("emailproxy.cli.passwords:passwords", "App passwords: who may log in to a managed account."),
        "reload": ("emailproxy.cli.lifecycle:reload", "Let the running proxy read its configuration again."),
        "sample-config": ("emailproxy.cli.checking:sample_config", "Print a commented sample configuration."),
        "seal": ("emailproxy.cli.seal:seal", "The service key, which seals the tokens of managed accounts."),
        "sessions": ("emailproxy.cli.running:sessions", "List the mail sessions that are open."),
        "status": ("emailproxy.cli.running:status", "Say how the running proxy is."),
        "stores": ("emailproxy.cli.stores:stores", "List where tokens can be kept, and what an address looks like."),
        "watch": ("emailproxy.cli.watching:watch", "Show what happens in the running proxy, as it happens."),
    }
)

OF_CACHE: Final[Table] = MappingProxyType(
    {
        "copy": ("emailproxy.cli.cache_copy:copy", "Copy records from one store into another."),
        "delete": ("emailproxy.cli.cache_delete:delete", "Remove an account's record."),
        "doctor": ("emailproxy.cli.cache_doctor:doctor", "Try everything that the proxy does with a store."),
        "import": ("emailproxy.cli.cache_import:import_", "Take over refresh tokens of DavMail or sasl-xoauth2."),
        "status": ("emailproxy.cli.cache_status:status", "Say whether the running proxy's store is well."),
    }
)

OF_ACCOUNTS: Final[Table] = MappingProxyType(
    {
        # It changes the account as much as its passwords, and is looked for at both.
        "migrate": (
            "emailproxy.cli.passwords:migrate",
            "Turn a mail password into app passwords, or back, without a new consent.",
        ),
    }
)
