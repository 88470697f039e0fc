"""How does ``tofu validate`` know a provider that is not there? A stand-in serves its schema, over the plugin protocol.

OpenTofu asks each provider for its schema and then checks every block and every expression against it; with
``mock_provider`` its tests ask for nothing else. So a stand-in that answers with the schemas of ``schemas/`` is all
that ``validate`` and ``test`` need. It is found through ``TF_REATTACH_PROVIDERS``, which is how providers are debugged,
so nothing is installed. It makes nothing: only the schema is real.

The protocol is tfplugin 6; of its messages those that carry a schema are written here by hand, since there are three of
them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.terraform.extraction import Schema
from tests.terraform.schemas import PACKAGES, load

__all__ = ["encoded_answer", "standing_in"]

_SERVICE: Final = "tfplugin6.Provider"
_NESTING: Final = {"single": 1, "list": 2, "set": 3, "map": 4}


@contextmanager
def standing_in(room: Path, *providers: str) -> Iterator[dict[str, str]]:
    """Serve `providers` (all, if none is named) from sockets in `room`; the environment by which they are found."""
    import grpc

    attached: dict[str, Any] = {}
    servers = []
    try:
        for name in providers or PACKAGES:
            path = room / f"{name}.sock"
            server = grpc.server(ThreadPoolExecutor(2))
            server.add_generic_rpc_handlers((_Provider(encoded_answer(load(name))),))
            server.add_insecure_port(f"unix:{path}")
            server.start()
            servers.append(server)
            attached[f"registry.opentofu.org/hashicorp/{name}"] = {
                "Protocol": "grpc",
                "ProtocolVersion": 6,
                "Pid": os.getpid(),
                # Not to be stopped by OpenTofu when it ends.
                "Test": True,
                "Addr": {"Network": "unix", "String": str(path)},
            }
        yield {"TF_REATTACH_PROVIDERS": json.dumps(attached)}
    finally:
        for server in servers:
            server.stop(None).wait()


class _Provider:
    """Answers the schema, gives a stored state back as it came, and has no complaint about anything else."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def service(self, handler_call_details: Any) -> Any:
        """Who answers this call; None if it is not a provider's (gRPC's ``GenericRpcHandler``)."""
        import grpc

        service, _, method = handler_call_details.method.removeprefix("/").partition("/")
        if service != _SERVICE:
            return None
        if method == "GetProviderSchema":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: self._answer)
        if method == "UpgradeResourceState":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: upgraded(request))
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")


def upgraded(request: bytes) -> bytes:
    """``UpgradeResourceState.Response``: the JSON of the request's ``raw_state``."""
    raw = dict(_fields(request)).get(3, b"")
    return _field(1, _field(2, dict(_fields(raw)).get(1, b"null")))


def encoded_answer(schemas: dict[str, Any]) -> bytes:
    """``GetProviderSchema.Response``."""
    answer = _field(1, _schema(schemas["provider"]))
    for number, kind in ((2, "resource"), (3, "data")):
        for name, schema in schemas[kind].items():
            answer += _field(number, _field(1, name.encode()) + _field(2, _schema(schema)))
    return answer


def _schema(schema: Schema) -> bytes:
    return _field(2, _block(schema))


def _block(schema: Schema) -> bytes:
    encoded = b""
    for name, attribute in schema["attributes"].items():
        fields = _field(1, name.encode()) + _field(2, json.dumps(attribute["type"]).encode())
        for number, flag in ((4, "required"), (5, "optional"), (6, "computed"), (11, "write_only")):
            if attribute.get(flag):
                fields += _number(number, 1)
        encoded += _field(2, fields)
    for name, rule in schema["blocks"].items():
        fields = _field(1, name.encode()) + _field(2, _block(rule["block"])) + _number(3, _NESTING[rule["nesting"]])
        # A single block has no count; Terraform refuses one that says so.
        if rule["nesting"] in ("list", "set"):
            fields += _number(4, rule.get("min", 0)) + _number(5, rule.get("max", 0))
        encoded += _field(3, fields)
    return encoded


def _fields(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a message; others are read over."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            octet = octets[at]
            at += 1
            value |= (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                return value

    while at < len(octets):
        key = varint()
        length = varint()
        if key & 7 == 2:
            yield key >> 3, octets[at : at + length]
            at += length
        elif key & 7:
            raise ValueError(f"wire type {key & 7} is in no message that is read here")


def _field(number: int, octets: bytes) -> bytes:
    """A length-delimited field."""
    return _varint(number << 3 | 2) + _varint(len(octets)) + octets


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
