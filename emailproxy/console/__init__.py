"""The control channel of a running proxy: what it says about itself while it runs, and who may ask it for something.

Beside the core, which does not know it: the core tells an `emailproxy.audience.Audience`, of which `hub` is one. Needs
the extra ``console``, but for `messages`, `hub` and `context`, which need nothing that is not there anyway.

========== =============================================================================================================
messages   what is said over ``/events``: frozen dataclasses, and JSON both ways (documented in docs/console.md)
hub        the snapshot, the changes since, and who watches
context    what the console's modules get of the running proxy
access     who may come in
server     HTTP and WebSocket, inside the proxy's own nursery
========== =============================================================================================================

A module that answers requests of its own has a function ``routes(context: Context) -> list[BaseRoute]`` (of Starlette)
with whole paths (``/api/reload``); `server` puts them behind `access`, but for those of `health` and `metrics`.
"""
