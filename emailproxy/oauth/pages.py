"""What does a person's browser show when the sign-in is over? Small self-contained pages that load nothing."""

from __future__ import annotations

import base64
import hashlib
import html
from typing import Final

from emailproxy.oauth.consent import Outcome, OutcomeKind

__all__ = ["HEADERS", "notice", "page"]

_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;font:16px/1.5 system-ui,sans-serif;"
    "background:Canvas;color:CanvasText}"
    "main{max-width:30rem;margin:1rem;padding:1.5rem 2rem;border:1px solid GrayText;border-radius:12px}"
    "h1{font-size:1.25rem;margin:0 0 .5rem}p{margin:.5rem 0}.ok{color:#1a7f37}.bad{color:#c0392b}"
    "small{color:GrayText}button{font:inherit;padding:.4rem 1rem;margin:.5rem .5rem 0 0}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS: Final[tuple[tuple[str, str], ...]] = (
    # Nothing is loaded, nothing runs, nobody frames it, and the code in its address goes nowhere.
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
)

_TITLES: Final = {
    OutcomeKind.AUTHORISED: "Authorised",
    OutcomeKind.DENIED: "Not authorised",
    OutcomeKind.FAILED: "Sign-in failed",
    OutcomeKind.UNKNOWN: "Nothing is waiting for this sign-in",
    OutcomeKind.MALFORMED: "This is not the end of a sign-in",
    OutcomeKind.UNCONFIRMED: "Was the mail password changed?",
}

STATUS: Final = {
    OutcomeKind.AUTHORISED: 200,
    OutcomeKind.UNCONFIRMED: 200,
    OutcomeKind.DENIED: 403,
    OutcomeKind.FAILED: 502,
    OutcomeKind.UNKNOWN: 404,
    OutcomeKind.MALFORMED: 400,
}
"""HTTP status of each page, for whoever looks at it with a program."""


def page(outcome: Outcome, query: str = "") -> tuple[int, str]:
    """HTTP status and page for `outcome`; `query` is sent again by the form that asks for confirmation."""
    good = outcome.kind is OutcomeKind.AUTHORISED
    parts = [f"<p>{html.escape(outcome.message)}</p>"]
    if outcome.account:
        parts.append(f"<p>Account: <b>{html.escape(outcome.account)}</b></p>")
    if good:
        parts.append("<p>You can close this window; the mail program goes on by itself.</p>")
    if outcome.kind is OutcomeKind.UNCONFIRMED:
        where = html.escape(outcome.client or "an unknown address")
        hidden = f'<input type="hidden" name="query" value="{html.escape(query)}">'
        parts.append(
            f"<p>A mail program at {where} logged in with another password than the stored one. If you changed the "
            "password in your mail program, accept it. If you did not, somebody else may have tried to log in.</p>"
            f'<form method="post">{hidden}<button name="confirm" value="yes">Accept the new password</button>'
            '<button name="confirm" value="no">Keep the old one</button></form>'
        )
    if outcome.reference:
        parts.append(f"<p><small>The proxy's log says more under (ref {html.escape(outcome.reference)}).</small></p>")
    mark = "ok" if good else "" if outcome.kind is OutcomeKind.UNCONFIRMED else "bad"
    return STATUS[outcome.kind], _document(_TITLES[outcome.kind], "".join(parts), mark)


def notice(title: str, text: str) -> str:
    """A page that says one thing."""
    return _document(title, f"<p>{html.escape(text)}</p>", "")


def _document(title: str, body: str, mark: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>{html.escape(title)}</title><style>{_STYLE}</style></head>'
        f'<body><main><h1 class="{mark}">{html.escape(title)}</h1>{body}</main></body></html>'
    )
