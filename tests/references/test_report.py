"""What `emailproxy check --resolve` says of each reference."""

from __future__ import annotations

from emailproxy.references.base import Reference, SecretValue, Use
from emailproxy.references.report import resolve
from emailproxy.secret import Secret
from emailproxy.store.base import StoreDeniedError

from .fakes import FakeSource, sources

DENIED = StoreDeniedError("vault:denied: you lack the permission x; grant it")


def uses(*names: str) -> list[Use]:
    return [Use("ada@x.org", "client_secret", Reference("vault", name)) for name in names]


def test_length_and_date_and_nothing_else() -> None:
    fake = FakeSource({"text": "s3cret", "wide": "gehéim", "octets": b"\xff\xfe\x00", "sloppy": "s3cret\n"})
    found = resolve(uses("text", "wide", "octets", "sloppy", "text"), sources(fake))
    assert [str(finding) for finding in found] == [
        "[ada@x.org] client_secret  vault:text: 6 characters, last change 2026-05-04 09:12 UTC",
        "[ada@x.org] client_secret  vault:wide: 6 characters, 7 octets, last change 2026-05-04 09:12 UTC",
        "[ada@x.org] client_secret  vault:octets: 3 octets, no text, last change 2026-05-04 09:12 UTC",
        (
            "[ada@x.org] client_secret  vault:sloppy: 7 characters, last change 2026-05-04 09:12 UTC; "
            "it begins or ends with white space, which is sent with it"
        ),
        "[ada@x.org] client_secret  vault:text: 6 characters, last change 2026-05-04 09:12 UTC",
    ]
    assert all(finding.good for finding in found)
    assert fake.reads["text"] == 1


def test_failures_say_what_to_do() -> None:
    found = resolve(uses("denied", "none"), sources(FakeSource({"denied": DENIED})))
    assert [str(finding) for finding in found] == [
        "[ada@x.org] client_secret  FAILED: vault:denied: you lack the permission x; grant it",
        "[ada@x.org] client_secret  FAILED: vault:none: there is no such secret; create it",
    ]
    assert not any(finding.good for finding in found)


def test_a_pem_may_end_with_a_line_end() -> None:
    found = resolve(uses("pem"), sources(FakeSource({"pem": "-----BEGIN CERTIFICATE-----\n"})))
    assert "white space" not in str(found[0])


def test_a_remark() -> None:
    found = resolve(uses("a"), sources(FakeSource({"a": "x"}, remark="everybody can read it; run chmod")))
    assert str(found[0]).endswith("; everybody can read it; run chmod")


def test_unknown_date() -> None:
    class Undated(FakeSource):
        def read(self, rest: str, *, dated: bool = False) -> SecretValue:
            return SecretValue(Secret("x"))

    assert str(resolve(uses("a"), sources(Undated()))[0]).endswith("1 characters, last change unknown")
