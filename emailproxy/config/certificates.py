"""Can this certificate and this key be read, and do they belong together?"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from emailproxy.config.deferred import examine_pair, is_accepted_pair
from emailproxy.config.options import Reader
from emailproxy.references.base import Fetched

__all__ = ["MAX_OCTETS", "PEM", "check_pair", "read_octets"]

MAX_OCTETS: Final = 1024 * 1024
"""A chain with a key is a few KiB; a device or a log file by mistake must not fill the memory."""

PEM: Final = "name a readable file in PEM format"
"""What to do about most that can be wrong."""


def check_pair(reader: Reader, certificate_option: str, key_option: str) -> bool:
    """Check the files that two options name, or what they refer to, and note what is wrong with them.

    The key may stand in the certificate's file; then its option is left out. Nothing is checked while a value is
    still a placeholder.

    Args:
        reader: the section.
        certificate_option: name of the option with the certificate's path.
        key_option: name of the option with the key's path.

    Returns:
        Whether there is a certificate to use.
    """
    certificate, key = reader.path(certificate_option), reader.path(key_option)
    if reader.placeholder(certificate_option) or reader.placeholder(key_option):
        return False
    if certificate is None:
        if key is not None:
            reader.fault(certificate_option, f"there is a {key_option} but no certificate", "add it, or remove the key")
        return False
    if isinstance(certificate, Path) and not isinstance(key, Fetched) and is_accepted_pair(certificate, key):
        return True
    return examine_pair(reader, certificate_option, key_option)


def read_octets(reader: Reader, option: str, path: Path | Fetched) -> bytes | None:
    """The content of a file that `option` names, or refers to; None after a fault."""
    if isinstance(path, Fetched):
        return path.value.octets
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        reader.fault(option, f"{path} cannot be read: {reason}", PEM)
        return None
    if len(octets) > MAX_OCTETS:
        reader.fault(option, f"{path} is too large for a certificate or key", PEM)
        return None
    return octets
