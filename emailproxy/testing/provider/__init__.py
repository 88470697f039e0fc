"""What does a mail provider that wants OAuth 2.0 look like? A simulated one: OAuth server, IMAP, POP3 and SMTP.

It shares no code with the proxy's protocol machines, so that one cannot hide the other's mistakes. Use it in tests::

    async with open_provider() as provider:
        provider.switches.rotate_refresh_tokens = True
        ...
        assert provider.counters.token_requests["refresh_token"] == 1

or as a process: ``python -m emailproxy.testing.provider --port-file FILE`` writes its addresses as JSON.
"""

from emailproxy.testing.provider.certificates import Certificates, ExtraMissingError
from emailproxy.testing.provider.mailbox import Folder, Mailbox, Message
from emailproxy.testing.provider.profile import GENERIC, GMAIL, OFFICE365, PROFILES, Profile
from emailproxy.testing.provider.server import (
    CLIENT_ID,
    CLIENT_SECRET,
    HOST,
    PUBLIC_CLIENT_ID,
    USER,
    Provider,
    ProviderOptions,
    open_provider,
    serve_provider,
)
from emailproxy.testing.provider.switches import Counters, Switches
from emailproxy.testing.provider.tokens import ANY_USER, TokenIssuer

__all__ = [
    "ANY_USER",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "GENERIC",
    "GMAIL",
    "HOST",
    "OFFICE365",
    "PROFILES",
    "PUBLIC_CLIENT_ID",
    "USER",
    "Certificates",
    "Counters",
    "ExtraMissingError",
    "Folder",
    "Mailbox",
    "Message",
    "Profile",
    "Provider",
    "ProviderOptions",
    "Switches",
    "TokenIssuer",
    "open_provider",
    "serve_provider",
]
