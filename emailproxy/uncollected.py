"""How is a lot of code or configuration loaded? Without looking for garbage in it again and again: it stays."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection in here, where it would take an eighth of the time and find next to nothing.

    In a running proxy, with all other threads waiting for as long as it looks through 100,000 accounts.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
