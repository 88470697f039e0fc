"""Which modules answer which requests? Each has a function ``routes``; here they come together."""

from __future__ import annotations

from starlette.routing import BaseRoute

from emailproxy.console.context import Context
from emailproxy.console.requests import routes as request_routes

__all__ = ["operations", "requests"]


def requests(context: Context) -> list[BaseRoute]:
    """What needs the token: all under ``/api/``."""
    return request_routes(context)


def operations(context: Context) -> list[BaseRoute]:
    """What is open to everybody, and moves to ``metrics_listen``: health and metrics."""
    return list(context.operations())
