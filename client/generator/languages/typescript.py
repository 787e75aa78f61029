"""TypeScript: interfaces as the socket has them, methods in camelCase."""

import json
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence

from generator.model import Field, Method, Type

FILE = "typescript/src/api.ts"
TEMPLATE = "typescript.j2"

_BY_HAND = {"events", "subscribe", "unsubscribe"}
"""Methods that are streams, made by the transport; they can be called by name all the same."""

_PLAIN = {
    "any": "unknown",
    "null": "null",
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
}


def _written(given: Type) -> str:
    match given.kind:
        case "ref":
            text = given.name
        case "enum":
            text = " | ".join(json.dumps(value) for value in given.values)
        case "list" | "map" if given.inner is not None:
            inner = _written(given.inner)
            text = f"Array<{inner}>" if given.kind == "list" else f"Record<string, {inner}>"
        case kind:
            text = _PLAIN[kind]
    return f"{text} | null" if given.nullable and text != "unknown" else text


def _pascal(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.replace(".", "_").split("_"))


def _camel(name: str) -> str:
    """Return what a method is called within its namespace."""
    written = _pascal(name.rpartition(".")[2])
    return written[:1].lower() + written[1:]


def _params(method: Method) -> str:
    """Return the name of the type of its parameters."""
    return f"{_pascal(method.name)}Params"


def _signature(method: Method) -> str:
    """Return its parameters and its result, as an interface or a class writes them."""
    result = f"options?: CallOptions): Promise<{_written(method.result)}>"
    if not method.params:
        return f"({result}"
    optional = "" if method.params[0].required else "?"
    return f"(params{optional}: {_params(method)}, {result}"


def _call(method: Method) -> str:
    """Return the expression that calls it."""
    given = "{}"
    if method.params:
        given = "params" if method.params[0].required else "params ?? {}"
    return f'this.call("{method.name}", {given}, options)'


def _doc(text: str, indent: int = 0) -> str:
    """Return a comment of one or several lines."""
    lines = text.strip().replace("*/", "*\\/").splitlines()
    space = " " * indent
    if len(lines) == 1:
        return f"{space}/** {lines[0]} */"
    inner = "\n".join(f"{space} * {line}".rstrip() for line in lines)
    return f"{space}/**\n{inner}\n{space} */"


def _common(methods: Sequence[Method]) -> Sequence[str]:
    """Return the errors that every method can fail with."""
    return [name for name in methods[0].errors if all(name in m.errors for m in methods)]


def _about(method: Method, methods: Sequence[Method]) -> str:
    """Return what a method does, and what it alone can fail with."""
    parts = [method.meaning]
    if method.params and method.description != method.meaning:
        parts.append(method.description)
    own = [name for name in method.errors if name not in _common(methods)]
    if own:
        parts.append(_throws(own))
    return "\n\n".join(parts)


def _throws(names: Iterable[str]) -> str:
    return textwrap.fill(f"@throws {{LiveHandleError}} {', '.join(names)}", 92)


def _field(field: Field) -> str:
    """Return a field of an interface, with its meaning."""
    said = field.meaning
    if field.default not in (None, "", [], {}):
        said = f"{said} By default `{json.dumps(field.default)}`.".strip()
    comment = f"{_doc(said, 2)}\n" if said else ""
    return f"{comment}  {field.name}{'' if field.required else '?'}: {_written(field.type)};"


def _generated(methods: Iterable[Method]) -> Sequence[Method]:
    return [method for method in methods if method.name not in _BY_HAND]


def _namespaces(methods: Iterable[Method]) -> Sequence[str]:
    """Return what stands before a dot in the names of methods."""
    return list(dict.fromkeys(m.name.partition(".")[0] for m in methods if "." in m.name))


def _within(methods: Iterable[Method], namespace: str) -> Sequence[Method]:
    return [method for method in methods if method.name.startswith(f"{namespace}.")]


def _named(methods: Iterable[Method], name: str) -> Sequence[Method]:
    return [method for method in methods if method.name == name]


FILTERS: Mapping[str, Callable[..., object]] = {
    "written": _written,
    "pascal": _pascal,
    "camel": _camel,
    "params": _params,
    "signature": _signature,
    "call": _call,
    "doc": _doc,
    "common": _common,
    "throws": _throws,
    "about": _about,
    "field": _field,
    "generated": _generated,
    "namespaces": _namespaces,
    "within": _within,
    "named": _named,
}
