"""Python: a method for every method of the socket, blocking and not."""

from collections.abc import Callable, Mapping
from textwrap import fill

from generator.languages.python_types import annotation, documented, quoted
from generator.model import Description, Field, Method, Type

FILE = "livehandle/methods.py"
TEMPLATE = "python_methods.j2"

_HAND_WRITTEN = {"daemon.hello", "events", "subscribe", "unsubscribe"}
"""What the transport says by itself, and gives another form."""


def signature(method: Method) -> str:
    """Return the parameters of a method."""
    if not method.params:
        return "self"
    lines = [f"        {_parameter(param)},\n" for param in method.params]
    return "\n        self,\n        *,\n" + "".join(lines) + "    "


def gathered(method: Method) -> str:
    """Return how the parameters are gathered where some may be left out; else nothing."""
    if all(param.required for param in method.params):
        return ""
    kept = [p for p in method.params if _is_kept(p)]
    pairs = ", ".join(f"{quoted(p.name)}: {p.name}" for p in kept)
    lines = [f"{p.name}={p.name}" for p in method.params if not _is_kept(p)]
    return "".join(f"            {line},\n" for line in [f"{{{pairs}}}", *lines])


def arguments(method: Method) -> str:
    """Return what the method is called with."""
    given = [f"{p.name}={p.name}" for p in method.params]
    return ", ".join([quoted(method.name), *(["**params"] if gathered(method) else given)])


def _is_kept(param: Field) -> bool:
    """Whether null is a value of it, and says something else than nothing."""
    return param.required or param.type.kind == "any"


def meaning(method: Method, errors: Mapping[str, str]) -> str:
    """Return the docstring of a method."""
    text = method.meaning
    if method.params:
        text += f"\n\n{method.description}"
    for param in method.params:
        if param.meaning:
            text += f"\n\n`{param.name}`: {param.meaning}"
    own = [f"`{name}` ({errors[name].rstrip('.')})" for name in method.errors if name in errors]
    if own:
        text += f"\n\nRaises {', '.join(own)}."
    return documented(text, 8)


def common(description: Description) -> str:
    """Return the names of the errors that every method may answer, in words."""
    return fill(", ".join(f"`{name}`" for name in sorted(_common(description))), 100) + "."


def meanings(description: Description) -> Mapping[str, str]:
    """Return the meaning of every error that some methods have and others have not."""
    everywhere = _common(description)
    return {e.name: e.meaning for e in description.errors if e.name not in everywhere}


def generated(description: Description) -> list[Method]:
    """Return the methods that are not written by hand."""
    return [method for method in description.methods if method.name not in _HAND_WRITTEN]


def imported(description: Description) -> list[str]:
    """Return the names of the types that the methods need."""
    used: set[str] = set()
    for method in generated(description):
        for given in (method.result, *(param.type for param in method.params)):
            used |= _names(given)
    return sorted(used, key=str.lower)


def _common(description: Description) -> set[str]:
    return set.intersection(*(set(method.errors) for method in description.methods))


def _names(given: Type) -> set[str]:
    inner = set() if given.inner is None else _names(given.inner)
    return inner | ({given.name} if given.kind == "ref" else set())


def _parameter(param: Field) -> str:
    if param.type.kind == "any" and not param.required:
        return f"{param.name}: object = _LEFT_OUT"
    text = _taken(param.type)
    if param.required:
        return f"{param.name}: {text}"
    return f"{param.name}: {text.removesuffix(' | None')} | None = None"


def _taken(given: Type) -> str:
    """Return the annotation of what is sent: any sequence, any mapping."""
    text = annotation(given)
    return text.replace("list[", "Sequence[").replace("dict[", "Mapping[")


FILTERS: Mapping[str, Callable[..., object]] = {
    "annotation": annotation,
    "arguments": arguments,
    "common": common,
    "gathered": gathered,
    "generated": generated,
    "imported": imported,
    "meaning": meaning,
    "meanings": meanings,
    "signature": signature,
}
