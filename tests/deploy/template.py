"""What does the user data look like that Terraform makes of the template? Rendered here without Terraform.

Only the expressions that the template has now are known; another one is an error, not left as it stands.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path

__all__ = ["TEMPLATE", "user_data"]

TEMPLATE = Path(__file__).parents[2] / "infra" / "cloud-init" / "emailproxy.yaml.tftpl"

_EXPRESSION = re.compile(r"\$\{((?:[^{}]|\{[^{}]*\})*)\}")


def user_data(*, config: str, cache_store: str, extras: Sequence[str], package: str, ports: Sequence[int]) -> str:
    """The template with these variables in it."""
    install = ["/usr/local/sbin/emailproxy-install", package, ",".join(extras), *map(str, ports)]
    known = {
        "base64encode(emailproxy_config)": base64.b64encode(config.encode()).decode(),
        r"""jsonencode("EMAILPROXY_CACHE_STORE='${cache_store}'\n")""": _json(
            f"EMAILPROXY_CACHE_STORE='{cache_store}'\n"
        ),
        'jsonencode(concat(["/usr/local/sbin/emailproxy-install", package, join(",", extras)], '
        "[for port in ports : tostring(port)]))": _json(install),
    }
    return _EXPRESSION.sub(lambda found: known[found[1]], TEMPLATE.read_text(encoding="utf-8"))


def _json(value: object) -> str:
    """As Terraform writes JSON: without blanks, and these characters escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
