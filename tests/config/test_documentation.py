"""docs/configuration.md names every option, and its examples load."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from emailproxy.config import ConfigError, Fault, load
from emailproxy.config.accounts import ACCOUNT_OPTIONS, CACHED_OPTIONS
from emailproxy.config.flows import FLOWS
from emailproxy.config.sealkey import new_key_text
from emailproxy.config.servers import SERVER_OPTIONS
from emailproxy.config.settings import SETTINGS_OPTIONS
from emailproxy.references.base import SecretValue
from emailproxy.references.sources import Sources
from emailproxy.secret import Secret
from emailproxy_backends import secret_aws, secret_azure, secret_gcp

from .conftest import ACCOUNT, SERVER
from .test_certificates import certificate_pem, key_pem

KEY = ec.generate_private_key(ec.SECP256R1())

REFERENCE = Path(__file__).parents[2] / "docs" / "configuration.md"
EXAMPLES = re.findall(r"```ini\n(.*?)```", REFERENCE.read_text(), re.DOTALL)


WORDS = ACCOUNT_OPTIONS | CACHED_OPTIONS | SERVER_OPTIONS | SETTINGS_OPTIONS | set(FLOWS)


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_word_is_explained(word: str) -> None:
    assert f"`{word}`" in REFERENCE.read_text()


class Everywhere:
    """Whatever an example refers to; its address is taken apart as the real source would."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def check(self, rest: str) -> None:
        match self._prefix:
            case "aws":
                secret_aws.parsed(rest)
            case "azure":
                secret_azure.parsed(rest)
            case "gcp":
                secret_gcp.parsed(rest)

    def read(self, rest: str, *, dated: bool = False) -> SecretValue:
        if "seal" in rest:
            return SecretValue(Secret(new_key_text()))
        if "certificate" in rest:
            return SecretValue(Secret.from_octets(certificate_pem(KEY)))
        if "hook" in rest:
            return SecretValue(Secret("https://hooks.example.com/T00"))
        return SecretValue(Secret.from_octets(key_pem(KEY)) if "key" in rest else Secret("imap.example.com"))

    def close(self) -> None:
        pass


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads(tmp_path: Path, example: str) -> None:
    path = tmp_path / "emailproxy.config"
    path.write_text(example + ("" if "[IMAP-" in example else SERVER) + ACCOUNT.replace("ada@", "eve@"))
    prefixes = ("aws", "azure", "env", "file", "gcp")
    sources = Sources({prefix: partial(Everywhere, prefix) for prefix in prefixes})
    faults: tuple[Fault, ...] = ()
    try:
        load(path, sources)
    except ConfigError as error:
        faults = error.faults
    # The files that examples name are nowhere here.
    assert [fault for fault in faults if "No such file" not in fault.problem] == []


@pytest.mark.parametrize("option", sorted((ACCOUNT_OPTIONS | SERVER_OPTIONS | SETTINGS_OPTIONS) - {"starttls"}))
def test_every_option_has_an_example(option: str) -> None:
    assert re.search(rf"^{option} = ", "\n".join(EXAMPLES), re.MULTILINE)
