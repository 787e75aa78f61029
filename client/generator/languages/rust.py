"""Rust: `api.rs`, formatted as rustfmt would."""

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence

from generator.model import Field, Method, Object, Type

FILE = "rust/src/api.rs"
TEMPLATE = "rust.j2"

_WIDTH = 100
_KEYWORDS = frozenset({"as", "do", "final", "fn", "in", "match", "mod", "move", "ref", "type"})
_PLAIN = {
    "any": "Value",
    "null": "()",
    "string": "String",
    "integer": "i64",
    "number": "f64",
    "boolean": "bool",
}
_BORROWED = {"String": "&str"}
_OWN_BYTES = {("Audio", "data"), ("send_audio", "data"), ("send_video", "data")}
"""Base64 that is whole in itself, which the library writes and reads."""


def pascal(name: str) -> str:
    """Return a name as a type or a variant has it: `TurnComplete`."""
    return "".join(word[:1].upper() + _tail(word) for word in re.split(r"[._-]", name))


def identifier(name: str) -> str:
    """Return a name as a field or a method has it: `turn_complete`, `r#do`."""
    snake = name.replace(".", "_")
    return f"r#{snake}" if snake in _KEYWORDS else snake


def type_of(given: Type, owner: str, name: str) -> str:
    """Return a type that is always there. An enum without a name has the owner's and its own."""
    match given.kind:
        case "ref":
            return given.name
        case "enum":
            return owner + pascal(name)
        case "list" if given.inner:
            return f"Vec<{type_of(given.inner, owner, name)}>"
        case "map" if given.inner and given.inner.kind != "any":
            return f"BTreeMap<String, {type_of(given.inner, owner, name)}>"
        case "map":
            return "Map<String, Value>"
        case kind:
            return _PLAIN[kind]


def field(given: Field, owner: str) -> str:
    """Return the lines of a struct's field, doc comment included."""
    kind = type_of(given.type, owner, given.name)
    lines = _doc(given.meaning)
    if (owner, given.name) in _OWN_BYTES:
        lines.append('#[serde(with = "crate::base64")]')
        kind = "Vec<u8>"
    elif given.required:
        kind = f"Option<{kind}>" if given.type.nullable else kind
    elif _is_empty(given):
        lines.append('#[serde(default, skip_serializing_if = "is_default")]')
    else:
        if given.default is not None:
            lines += _doc(f"By default {_shown(given.default)}.")
        lines.append('#[serde(default, skip_serializing_if = "Option::is_none")]')
        kind = f"Option<{kind}>"
    lines.append(f"pub {identifier(given.name)}: {kind},")
    return textwrap.indent("\n".join(lines), "    ")


def derived(given: Object) -> str:
    """Return what is derived for a struct: a default too where each field has one."""
    named = [f for f in given.fields if f.type.kind in ("ref", "enum") and not f.type.nullable]
    default = "" if any(field.required for field in named) else "Default, "
    return f"#[derive(Clone, Debug, {default}PartialEq, Serialize, Deserialize)]"


def doc(text: str, indent: int = 0) -> str:
    """Return a doc comment; nothing for an empty text."""
    return "".join(f"{' ' * indent}{line}\n" for line in _doc(text, indent))


def about(text: str, name: str) -> str:
    """Return what is said of a method or a type; what is bytes here is not base64."""
    if not any(name.rpartition(".")[2] == owner for owner, _ in _OWN_BYTES):
        return text
    return re.sub("(b)ase64 of (.)", lambda of: _as_in(of[1], of[2]), text, flags=re.IGNORECASE)


def options(method: Method) -> str:
    """Return the name of the struct of what may be left out; nothing where there is none."""
    return pascal(method.name) + "Options" if _optional(method) else ""


def signature(method: Method, prefix: str = "") -> str:
    """Return a method's head; `prefix` is `async ` or nothing."""
    owner = pascal(method.name)
    params = ["&self", *(_param(p, method) for p in method.params if p.required)]
    if _optional(method):
        params.append(f"options: {owner}Options")
    result = type_of(method.result, owner, "result")
    result = f"Option<{result}>" if method.result.nullable else result
    start, end = (
        f"    pub {prefix}fn {identifier(method.name)}(",
        f") -> Result<{result}, Error> {{",
    )
    line = start + ", ".join(params) + end
    if len(line) <= _WIDTH:
        return line
    return "\n".join([start, *(f"        {param}," for param in params), f"    {end}"])


def body(method: Method, suffix: str = "") -> str:
    """Return a method's statements; `suffix` is `.await` or nothing."""
    required = [param for param in method.params if param.required]
    pairs = ", ".join(f'"{param.name}": {_written(param, method)}' for param in required)
    lines, params = [], "json!({})"
    if required:
        lines.append(f"let params = json!({{ {pairs} }});")
        params = "merged(params, options)" if _optional(method) else "params"
    elif _optional(method):
        params = "options"
    # What answers null today may answer more at a later level.
    ignored = ".map(|IgnoredAny| ())" if method.result.kind == "null" else ""
    lines.append(f'self.call("{method.name}", {params}){suffix}{ignored}')
    return textwrap.indent("\n".join(lines), "        ")


def _optional(method: Method) -> Sequence[Field]:
    return [param for param in method.params if not param.required]


def _param(given: Field, method: Method) -> str:
    kind = type_of(given.type, pascal(method.name), given.name)
    if _is_bytes(given, method):
        kind = "&[u8]"
    elif kind.startswith("Vec<"):
        kind = f"&[{kind[4:-1]}]"
    return f"{identifier(given.name)}: {_BORROWED.get(kind, kind)}"


def _written(given: Field, method: Method) -> str:
    name = identifier(given.name)
    return f"encode({name})" if _is_bytes(given, method) else name


def _is_bytes(given: Field, method: Method) -> bool:
    return (method.name.rpartition(".")[2], given.name) in _OWN_BYTES


def _as_in(example: str, letter: str) -> str:
    return letter.upper() if example.isupper() else letter


def _is_empty(given: Field) -> bool:
    """Whether the default is what Rust takes for one."""
    return given.default in (False, "", [], {}, 0) and given.default is not None


def _shown(default: object) -> str:
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _doc(text: str, indent: int = 4) -> list[str]:
    lines: list[str] = []
    for paragraph in filter(None, text.split("\n\n")):
        wrapped = textwrap.wrap(paragraph, _WIDTH - indent - 4, break_on_hyphens=False)
        lines += ([""] if lines else []) + wrapped
    return [f"/// {line}".rstrip() for line in lines]


def _tail(word: str) -> str:
    return word[1:].lower() if word.isupper() else word[1:]


FILTERS: Mapping[str, Callable[..., str]] = {
    "pascal": pascal,
    "identifier": identifier,
    "type_of": type_of,
    "field": field,
    "derived": derived,
    "doc": doc,
    "about": about,
    "options": options,
    "signature": signature,
    "body": body,
}
