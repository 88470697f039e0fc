"""How are octets, rates and spans of time said to a person? Short, in one unit."""

from __future__ import annotations

__all__ = ["amount", "counted", "span"]

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def amount(octets: float) -> str:
    """``1.5 MiB``."""
    number, unit = float(octets), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.0f} {_UNITS[unit]}" if unit == 0 or number >= 100 else f"{number:.1f} {_UNITS[unit]}"


def span(seconds: float) -> str:
    """``2 d 3 h``, ``14 min``, ``9 s``: the two largest units that matter."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86_400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


def counted(number: int, noun: str) -> str:
    """``1 account``, ``2 accounts``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
