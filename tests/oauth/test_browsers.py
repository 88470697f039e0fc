from __future__ import annotations

import pytest

from emailproxy.oauth.browsers import has_browser

SSH = {"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": "localhost:10.0", **SSH}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0", **SSH}, "linux", False),
        (SSH, "linux", False),
        ({**SSH, "BROWSER": "/some/editor"}, "linux", True),
        ({}, "darwin", True),
        ({}, "win32", True),
        (SSH, "darwin", False),
        ({"SSH_TTY": "/dev/pts/1"}, "win32", False),
    ],
    ids=str,
)
def test_is_there_one(environment: dict[str, str], platform: str, expected: bool) -> None:
    assert has_browser(environment, platform) is expected
