"""What the doctor's tests share: a simulated provider, a configuration for it, and all that was told."""

from __future__ import annotations

import base64
import dataclasses
import json
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from emailproxy.config import Account
from emailproxy.doctor.examine import World, examine
from emailproxy.doctor.findings import Finding, Outcome, Started
from emailproxy.oauth.sealing import derive_key
from emailproxy.secret import Secret
from emailproxy.store.base import Record
from emailproxy.testing.provider import Provider, open_provider
from emailproxy.testing.provider.profile import GENERIC, Profile
from emailproxy.testing.provider.server import CLIENT_ID, CLIENT_SECRET, USER, ProviderOptions
from tests.oauth.support import FEW, SALT

PASSWORD = Secret("correct-horse-battery")


def jwt(**claims: object) -> str:
    """A token whose claims can be read; its signature is nobody's."""
    parts = [{"typ": "JWT", "alg": "RS256"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJlLW9mLW5vYm9keQ"])


@dataclass
class Patient:
    """A provider, the configuration file of a proxy for it, and what the doctor said."""

    provider: Provider
    path: Path
    account: dict[str, str]
    servers: dict[str, dict[str, str]]
    findings: list[Finding] = field(default_factory=list)
    started: list[Started] = field(default_factory=list)
    secrets: set[str] = field(default_factory=lambda: {PASSWORD.reveal(), CLIENT_SECRET})
    world: World = field(default_factory=World)
    asked: int = 0

    def write(self) -> None:
        sections = self.servers | {USER: self.account}
        lines = [
            f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in options.items()) for name, options in sections.items()
        ]
        self.path.write_text("# the person's\n" + "\n".join(lines))

    def seal(self, *, access: str | None = None, refresh: str | None = None, expires_in: int = 3600) -> None:
        """Tokens of the account, sealed, in its section."""
        key = derive_key(PASSWORD, SALT, FEW.current)
        self.account |= {"token_salt": key.salt_text, "token_iterations": str(FEW.current)}
        if access is not None:
            self.account["access_token"] = key.seal(Secret(access))
            self.account["access_token_expiry"] = str(int(self.world.now()) + expires_in)
        if refresh is not None:
            self.account["refresh_token"] = key.seal(Secret(refresh))
        self.secrets |= {text for text in (access, refresh) if text}

    async def examine(
        self,
        account: str | None = USER,
        *,
        password: Secret = PASSWORD,
        sections: Iterable[str] = (),
        cache_store: str | None = None,
        write: bool = True,
    ) -> int:
        if write:
            self.write()
        self.findings.clear()
        self.secrets.add(password.reveal())

        async def ask(known: Account) -> Secret:
            self.asked += 1
            return password

        def tell(event: Started | Finding) -> None:
            if isinstance(event, Finding):
                self.findings.append(event)
            else:
                self.started.append(event)

        failures = await examine(
            self.path, cache_store, tell, account=account, ask_password=ask, sections=sections, world=self.world
        )
        assert failures == len(self.failed)
        self.assert_no_secret()
        return failures

    @property
    def failed(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.outcome is Outcome.FAILED]

    def finding(self, step: str, subject: str = "") -> Finding:
        [found] = [each for each in self.findings if each.step == step and subject in each.subject]
        return found

    def assert_no_secret(self) -> None:
        told = repr([dataclasses.asdict(finding) for finding in self.findings])
        issued = self.provider.issuer
        for secret in {*self.secrets, *issued._access, *issued._refresh}:
            assert secret not in told


def record_in(patient: Patient) -> Record:
    from emailproxy_backends.file import FileStore

    stored = FileStore(patient.path).load(USER)
    assert stored is not None
    return stored.record


@asynccontextmanager
async def admitted(folder: Path, profile: Profile = GENERIC, **options: str) -> AsyncIterator[Patient]:
    """A patient in good health, whose account gets its tokens by the password flow unless `options` say else."""
    async with open_provider(ProviderOptions(profile=profile)) as provider:
        context = ssl.create_default_context(cafile=str(provider.ca_path))
        common = {"local_address": "127.0.0.1", "server_address": "localhost"}
        servers = {
            "IMAP-19930": common | {"server_port": str(provider.imap_port)},
            "POP-19950": common | {"server_port": str(provider.pop3_stls_port), "server_starttls": "True"},
            "SMTP-15870": common | {"server_port": str(provider.smtp_port)},
        }
        account = {
            "token_url": provider.token_url,
            "oauth2_flow": "password",
            "oauth2_scope": "mail",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        } | options
        world = World(ssl_context=context, iterations=FEW)
        yield Patient(provider, folder / "emailproxy.config", account, servers, world=world)


def interactive(provider: Provider) -> dict[str, str]:
    return {
        "oauth2_flow": "authorization_code",
        "permission_url": provider.authorization_url,
        "redirect_uri": "http://localhost:1/",
    }
