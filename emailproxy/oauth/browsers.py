"""Is there a browser that a person at this terminal would see?"""

from __future__ import annotations

import sys
from collections.abc import Mapping

__all__ = ["has_browser"]


def has_browser(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether it makes sense to open a browser from here.

    One that opens on the screen of a machine which the person reached over SSH helps nobody; so does a text browser,
    which takes the terminal and cannot sign in anywhere. Who has named one in ``BROWSER`` (editors do, for terminals
    of theirs on other machines) means it.
    """
    if environment.get("BROWSER"):
        return True
    remote = bool(environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"))
    if platform in ("darwin", "win32"):
        return not remote
    # Over SSH with a forwarded display, the browser is shown where the person is.
    return bool(environment.get("DISPLAY") or (environment.get("WAYLAND_DISPLAY") and not remote))
