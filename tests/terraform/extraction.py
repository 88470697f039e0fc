"""What does a provider's schema say of a type? Read from the code that the CDK for Terraform generated from the schema.

The registry of providers is not reached from everywhere, and the two large providers take an hour to build. But the npm
packages ``@cdktf/provider-…`` were generated from the providers' own schemas, and their classes still say all of it:
which argument there is, of what type, whether it must be given, whether it is a nested block and how often that may
stand there. (Their ``.jsii`` files say less: neither what is a block, nor a set, nor what the service alone fills in.)

Three things they do not say. Whether an optional argument may also be filled in by the service: taken as "no", but for
the few that are named below and ``id``. Whether an argument is write-only: those named ``…_wo`` are. And what only the
provider's code checks, such as two arguments that exclude each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

__all__ = ["Extracted", "JsonType", "Schema", "extracted"]

JsonType: TypeAlias = "str | list[JsonType] | dict[str, JsonType]"
"""A type as Terraform's protocol writes it: ``"string"``, ``["list", "string"]``, ``["object", {…}]``."""
Schema: TypeAlias = dict[str, Any]
"""One block: ``attributes`` and ``blocks``."""

_FUNCTION: Final = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_CLASS: Final = re.compile(r"^class (\w+) extends cdktf\.(\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_ENTRY: Final = re.compile(
    r'^ +"?(?P<name>\w+)"?: \{\n +value: (?P<value>.*),\n +isBlock: (?P<block>true|false),\n +type: "(?P<type>\w+)",\n'
    r' +storageClassType: "(?P<storage>\w+)",',
    re.MULTILINE,
)
_PROPERTY: Final = re.compile(r"(?:struct\.|this\._)(\w+)")
_RESET: Final = re.compile(r"^    reset\w+\(\) \{\n        this\._(\w+)(?:\.internalValue)? = undefined", re.MULTILINE)
_GETTER: Final = re.compile(r"^    get (\w+)\(\) \{\n        return (.*);\n    \}", re.MULTILINE)
_MEMBER: Final = re.compile(r'^        this\.(_\w+) = new ([\w.]+)\(this, "(\w+)"', re.MULTILINE)
_ATTRIBUTE: Final = re.compile(r"this\.(?:get(\w+)Attribute|interpolationForAttribute)\(['\"](\w+)['\"]\)")
_KIND: Final = re.compile(r"terraformResourceType: '(\w+)'")
_PROVIDER_NAME: Final = re.compile(r"terraformProviderSource: '([\w/.-]+)'")
_VERSION: Final = re.compile(r"providerVersion: '([\d.]+)'")

_ALSO_COMPUTED: Final = {
    "aws_instance": ("private_ip",),
    "google_compute_instance": ("network_interface", "network_ip"),
}
"""Optional arguments that the service fills in if they are not given, and that modules read: the code does not say
it."""

_GETTERS: Final[dict[str | None, JsonType]] = {
    "String": "string",
    "Number": "number",
    "Boolean": "bool",
    "List": ["list", "string"],
    "NumberList": ["list", "number"],
    "StringMap": ["map", "string"],
    "NumberMap": ["map", "number"],
    "BooleanMap": ["map", "bool"],
    None: "dynamic",
}
_MEMBERS: Final[dict[str, JsonType]] = {
    "cdktf.StringMap": ["map", "string"],
    "cdktf.NumberMap": ["map", "number"],
    "cdktf.BooleanMap": ["map", "bool"],
    "cdktf.AnyMap": ["map", "string"],
    "cdktf.StringMapList": ["list", ["map", "string"]],
    "cdktf.StringListMap": ["map", ["list", "string"]],
    "cdktf.StringListList": ["list", ["list", "string"]],
}
_STORAGE: Final[dict[str, JsonType]] = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}


@dataclass(frozen=True, slots=True)
class Extracted:
    """One resource, data source or provider."""

    kind: str
    """``resource``, ``data`` or ``provider``."""
    name: str
    version: str
    """Of the provider."""
    schema: Schema


@dataclass(slots=True)
class _Source:
    """The classes and functions of one file."""

    functions: dict[str, str]
    classes: dict[str, str]
    main: str
    """The class that the file's own extends."""
    seen: list[str] = field(default_factory=list)


def extracted(text: str) -> Extracted | None:
    """What one ``lib/…/index.js`` says; None if it defines nothing of Terraform's.

    Raises:
        ValueError: it is written in a way that is not understood.
    """
    classes = {name: (base, body) for name, base, body in _CLASS.findall(text)}
    mains = [(base, body) for base, body in classes.values() if base in _MAINS]
    if not mains:
        return None
    [(base, body)] = mains
    name = (_KIND if base != "TerraformProvider" else _PROVIDER_NAME).search(body)
    version = _VERSION.search(body)
    if name is None or version is None:
        raise ValueError("no name or no version")
    source = _Source(dict(_FUNCTION.findall(text)), {key: part for key, (_, part) in classes.items()}, base)
    schema = _block(source, body, body)
    attributes = schema["attributes"]
    if "id" in attributes and base != "TerraformProvider" and not attributes["id"].get("required"):
        attributes["id"] = {"type": "string", "computed": True} | (
            {"optional": True} if base == "TerraformDataSource" else {}
        )
    if base == "TerraformDataSource":
        # What may be given to look something up is filled in if it is not.
        for attribute in attributes.values():
            if attribute.get("optional"):
                attribute["computed"] = True
    if name[1] in _ALSO_COMPUTED:
        *path, last = _ALSO_COMPUTED[name[1]]
        inner = schema
        for step in path:
            inner = inner["blocks"][step]["block"]
        inner["attributes"][last]["computed"] = True
    if base == "TerraformProvider":
        # The alias is Terraform's own.
        attributes.pop("alias", None)
    short = name[1].rpartition("/")[2]
    return Extracted(_MAINS[base], short, version[1], schema)


_MAINS: Final = {"TerraformResource": "resource", "TerraformDataSource": "data", "TerraformProvider": "provider"}


def _block(source: _Source, written: str, body: str) -> Schema:
    """The block whose arguments the code `written` writes, and whose class is `body`."""
    attributes: dict[str, dict[str, Any]] = {}
    blocks: dict[str, dict[str, Any]] = {}
    optional = set(_RESET.findall(body))
    for match in _entries(written):
        name, value, storage = match["name"], match["value"], match["storage"]
        properties = _PROPERTY.findall(value)
        if not properties:
            raise ValueError(f"{name}: no property in {value!r}")
        given = properties[-1]
        required = bool(body) and given not in optional
        function = re.search(r"(\w+)ToHclTerraform", value.replace("cdktf.listMapperHcl(cdktf.", "("))
        nested = source.functions.get(function[1]) if function else None
        if nested is not None:
            assert function is not None
            inner = _block(source, nested, _reference(source, function[1]))
            many = "listMapperHcl" in value or "hashMapperHcl" in value
            if match["block"] == "true":
                nesting = "single" if match["type"] == "struct" else match["type"]
                blocks[name] = (
                    {"nesting": nesting, "block": inner}
                    | ({"min": 1} if required else {})
                    | ({} if many else {"max": 1})
                )
                continue
            found: JsonType = _object(inner)
            if many or match["type"] in ("list", "set"):
                found = [match["type"], found]
        else:
            found = _simple(match["type"], storage)
        attributes[name] = {"type": found, ("required" if required else "optional"): True}
        if name.endswith("_wo"):
            attributes[name]["write_only"] = True
    for name, kind in _computed(source, body).items():
        if name not in attributes and name not in blocks:
            attributes[name] = {"type": kind, "computed": True}
    return {"attributes": dict(sorted(attributes.items())), "blocks": dict(sorted(blocks.items()))}


def _entries(written: str) -> list[re.Match[str]]:
    begin = written.find("synthesizeHclAttributes")
    part = written[begin:] if begin >= 0 else written
    return list(_ENTRY.finditer(part))


def _reference(source: _Source, function: str) -> str:
    """The class that stands for one nested block. A provider's have none: what must be given there is not said."""
    name = function[0].upper() + function[1:] + "OutputReference"
    if name not in source.classes and source.main != "TerraformProvider":
        raise ValueError(f"no class {name}")
    return source.classes.get(name, "")


def _simple(kind: str, storage: str) -> JsonType:
    if storage in _STORAGE:
        return _STORAGE[storage]
    element, _, container = re.sub(r"(List|Map)$", r" \1", storage).partition(" ")
    if element in _STORAGE and container:
        return [kind if kind in ("list", "set", "map") else container.lower(), _STORAGE[element]]
    if element.endswith(("List", "Map")):
        inner = _simple("list" if element.endswith("List") else "map", element)
        return [kind if kind in ("list", "set", "map") else container.lower(), inner]
    raise ValueError(f"unknown type {kind} of {storage}")


def _object(block: Schema) -> JsonType:
    fields: dict[str, JsonType] = {name: attribute["type"] for name, attribute in block["attributes"].items()}
    for name, nested in block["blocks"].items():
        inner = _object(nested["block"])
        fields[name] = inner if nested["nesting"] == "single" else [nested["nesting"], inner]
    return ["object", fields]


def _computed(source: _Source, body: str) -> dict[str, JsonType]:
    """What only the service fills in."""
    found: dict[str, JsonType] = {}
    members = {member: (kind, name) for member, kind, name in _MEMBER.findall(body)}
    setters = set(re.findall(r"^    set (\w+)\(value\)", body, re.MULTILINE)) | set(
        re.findall(r"^    put(\w+)\(value\)", body, re.MULTILINE)
    )
    for getter, value in _GETTER.findall(body):
        if getter in setters or getter[0].upper() + getter[1:] in setters or getter.endswith("Input"):
            continue
        if attribute := _ATTRIBUTE.search(value):
            if attribute[1] not in _GETTERS:
                raise ValueError(f"unknown getter get{attribute[1]}Attribute")
            kind = _GETTERS[attribute[1]]
            if "tolist" in value and isinstance(kind, list):
                kind = ["set", kind[1]]
            found[attribute[2]] = kind
        elif (member := value.removeprefix("this.")) in members:
            class_, name = members[member]
            found[name] = _MEMBERS[class_] if class_ in _MEMBERS else _nested(source, class_)
    return found


def _nested(source: _Source, class_: str) -> JsonType:
    """A list (or set, or map) of objects that the service fills in."""
    stem = re.sub(r"(List|Map|OutputReference)$", "", class_)
    body = source.classes.get(stem + "OutputReference")
    if body is None or stem in source.seen:
        raise ValueError(f"unknown class {class_}")
    source.seen.append(stem)
    fields = _computed(source, body)
    source.seen.pop()
    inner: JsonType = ["object", fields]
    if class_.endswith("OutputReference"):
        return inner
    return ["map" if class_.endswith("Map") else "list", inner]
