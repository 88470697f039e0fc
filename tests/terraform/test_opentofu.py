from __future__ import annotations

from tests.terraform.opentofu import VERSION, without_clouds
from tests.terraform.tofu import Tofu

BACKENDS = """import (
\tbackendLocal "example.com/local"
\tbackendS3 "example.com/remote-state/s3"
\tbackendHTTP "example.com/remote-state/http"
)

var backends = map[string]Init{
\t"local": func() { return backendLocal.New() },
\t"http":  func() { return backendHTTP.New() },
\t"s3":    func() { return backendS3.New() },
}
"""

KEY_PROVIDERS = """import (
\t"example.com/keyprovider/aws_kms"
\t"example.com/keyprovider/pbkdf2"
)

func init() {
\tif err := DefaultRegistry.RegisterKeyProvider(pbkdf2.New()); err != nil {
\t\tpanic(err)
\t}
\tif err := DefaultRegistry.RegisterKeyProvider(aws_kms.New()); err != nil {
\t\tpanic(err)
\t}
}
"""


def test_backends_of_clouds_are_left_out() -> None:
    left = without_clouds(BACKENDS)
    assert left.count("backendLocal") == 2
    assert "s3" not in left.lower()
    assert "http" not in left.lower()


def test_key_providers_of_clouds_are_left_out() -> None:
    left = without_clouds(KEY_PROVIDERS)
    assert left.count("pbkdf2") == 2
    assert left.count("if err") == left.count("\t}") == 1
    assert "aws_kms" not in left


def test_the_program_is_the_one_that_was_asked_for(tofu: Tofu) -> None:
    assert VERSION in tofu(tofu.room, "version")
