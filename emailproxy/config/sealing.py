"""Which service keys does ``[emailproxy]`` refer to?"""

from __future__ import annotations

from emailproxy.config.options import Reader
from emailproxy.config.sealkey import SealKey

__all__ = ["read_seal_key"]

_INIT = "emailproxy seal init PATH makes one"


def read_seal_key(reader: Reader, name: str) -> SealKey | None:
    """The key that the option `name` refers to; None if it is absent."""
    text = reader.text(name)
    if text is None:
        return None
    if not reader.is_fetched(name):
        # In the file that holds the tokens, it would protect them from nobody.
        reader.fault(name, "the key itself does not belong here", f"write a reference, such as file:PATH; {_INIT}")
        return None
    try:
        return SealKey.parse(text)
    except ValueError as error:
        reader.fault(name, str(error), _INIT)
        return None
