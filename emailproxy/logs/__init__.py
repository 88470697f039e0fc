"""What does the log look like, and where does it go? See docs/logs.md."""

from emailproxy.logs.setting import CONTENT_LOGGER, LogError, set_up, toggle_debug

__all__ = ["CONTENT_LOGGER", "LogError", "set_up", "toggle_debug"]
