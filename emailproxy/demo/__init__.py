"""How does emailproxy look at work? A demonstration that needs no network, no root and no account."""

from emailproxy.demo.run import run_demo

__all__ = ["run_demo"]
