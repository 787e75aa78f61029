"""API levels: what a client of a level may rely on, and whether today's API still has it.

`python -m support.levels 1`, from tests/, freezes today's API as level 1 in proto/levels/1.json.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from itertools import chain
from math import inf
from pathlib import Path
from typing import Any

from support import described

Json = dict[str, Any]

DIRECTORY = Path(__file__).parents[2] / "proto/levels"
_WORDS = {"description"}
"""Of a schema, what says nothing of the values."""
_LOWER = ("minimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "maxLength", "maxItems", "maxProperties")


def frozen(document: Json, level: int) -> Json:
    """Return what of a document a client of the level may rely on."""
    return {
        "level": level,
        "methods": {method["name"]: _method(method) for method in document["methods"]},
        "topics": {
            name: {"delivery": topic["delivery"], "stream": topic["stream"], **_data(topic)}
            for name, topic in document["x-events"].items()
        },
        "errors": {
            name: {"code": error["code"], "retryable": error["retryable"]}
            for name, error in document["x-errors"].items()
        },
        "types": {
            name: _bare(schema) for name, schema in document["components"]["schemas"].items()
        },
    }


def text(level: Json) -> str:
    """Return a level as its file has it: an entry a line."""
    sections = [f'{{\n"level": {level["level"]}']
    for name in ("methods", "topics", "errors", "types"):
        entries = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in level[name].items())
        sections.append(f'"{name}": {{\n{entries}\n}}')
    return ",\n".join(sections) + "\n}\n"


def levels() -> Mapping[int, Json]:
    """Return the levels that are frozen."""
    found = {int(path.stem): path for path in DIRECTORY.glob("*.json")}
    return {number: json.loads(found[number].read_text("utf-8")) for number in sorted(found)}


def _method(method: Json) -> Json:
    params = method["params"]
    return {
        "params": {param["name"]: _bare(param["schema"]) for param in params},
        "required": [param["name"] for param in params if param["required"]],
        "result": _bare(method["result"]["schema"]),
    }


def _data(topic: Json) -> Json:
    return {"data": _bare(topic["data"])}


def _bare(schema: Any) -> Any:
    """Return a schema without words; what refers to a type is the type's name."""
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {"type": name, "default": schema["default"]} if "default" in schema else name
    return {
        key: {name: _bare(inner) for name, inner in value.items()}
        if key == "properties"
        else _bare(value)
        for key, value in schema.items()
        if key not in _WORDS
    }


# What a client of the older one would miss.


def missing(old: Json, new: Json) -> list[str]:
    """Return what a client of `old` relies on that `new` does not have."""
    told = _Comparison(old, new)
    return list(chain(told.methods(), told.topics(), told.errors(), told.types()))


class _Comparison:
    def __init__(self, old: Json, new: Json) -> None:
        self._old = old
        self._new = new
        self._taken = _reached(old, (m["params"] for m in old["methods"].values()))
        given = [method["result"] for method in old["methods"].values()]
        given += [topic["data"] for topic in old["topics"].values()]
        self._given = _reached(old, given)

    def _both(self, section: str) -> Iterator[tuple[str, Json, Json]]:
        for name, was in self._old[section].items():
            if name in self._new[section]:
                yield name, was, self._new[section][name]

    def _gone(self, section: str) -> Iterator[str]:
        for name in self._old[section].keys() - self._new[section].keys():
            yield f"{section}: {name} is gone"

    def methods(self) -> Iterator[str]:
        yield from self._gone("methods")
        for name, was, now in self._both("methods"):
            yield from _params(name, was, now)
            yield from _changed(f"the result of {name}", was["result"], now["result"], taken=False)

    def topics(self) -> Iterator[str]:
        yield from self._gone("topics")
        for name, was, now in self._both("topics"):
            for key in ("delivery", "stream"):
                if was[key] != now[key]:
                    yield f"{key} of {name} was {was[key]} and is {now[key]}"
            yield from _changed(f"the data of {name}", was["data"], now["data"], taken=False)

    def errors(self) -> Iterator[str]:
        yield from self._gone("errors")
        for name, was, now in self._both("errors"):
            for key in was:
                if was[key] != now[key]:
                    yield f"{key} of {name} was {was[key]} and is {now[key]}"

    def types(self) -> Iterator[str]:
        yield from self._gone("types")
        for name, was, now in self._both("types"):
            if name in self._taken:
                yield from _changed(name, was, now, taken=True)
            if name in self._given:
                yield from _changed(name, was, now, taken=False)


def _reached(level: Json, schemas: Any) -> set[str]:
    """Return the types that schemas refer to, by way of others too."""
    names: set[str] = set()
    waiting = list(schemas)
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
        elif isinstance(found, str) and found in level["types"] and found not in names:
            names.add(found)
            waiting.append(level["types"][found])
    return names


def _params(name: str, was: Json, now: Json) -> Iterator[str]:
    yield from _fields(name, was["params"], now["params"], taken=True)
    kept = [param for param in now["params"] if param in was["params"]]
    if list(now["params"])[: len(kept)] != list(was["params"])[: len(kept)]:
        yield f"{name}: its parameters have another order, which counts where they have no names"
    yield from _needed(name, was["required"], now["required"])


def _needed(at: str, was: list[str], now: list[str]) -> Iterator[str]:
    for param in now:
        if param not in was:
            yield f"{at} needs {param}, which could be left out"


def _fields(at: str, was: Json, now: Json, *, taken: bool) -> Iterator[str]:
    for field, schema in was.items():
        if field in now:
            yield from _changed(f"{at}.{field}", schema, now[field], taken=taken)
        else:
            yield f"{at}.{field} is gone"


def _changed(at: str, was: Any, now: Any, *, taken: bool) -> Iterator[str]:
    """Yield how a value differs: of one that is `taken`, what is refused; else what is new."""
    if _default(was) != _default(now):
        yield f"{at} was {_default(was)} where it is left out, and is {_default(now)}"
    (was, was_null), (now, now_null) = _nullable(was), _nullable(now)
    if was_null > now_null if taken else now_null > was_null:
        yield f"{at} can{'not' if taken else ''} be null now"
    if not isinstance(was, dict) or not isinstance(now, dict):
        if was != now:
            yield f"{at} was {was} and is {now}"
        return
    was, now = dict(was), dict(now)
    for found in (was, now):
        found.pop("default", None)
    yield from _fields(at, was.pop("properties", {}), now.pop("properties", {}), taken=taken)
    yield from _presence(at, was.pop("required", []), now.pop("required", []), taken=taken)
    yield from (f"{at} has no {one} any more" for one in _less(was, now))
    if taken:
        yield from (f"{at}: {bound} is tighter" for bound in _tightened(was, now))
    for inner in ("items", "additionalProperties"):
        if inner in was and inner in now:
            yield from _changed(f"{at}[]", was.pop(inner), now.pop(inner), taken=taken)
    if was != now:
        yield f"{at} was {was} and is {now}"


def _default(schema: Any) -> object:
    """Return what stands for a value that is left out, as JSON; nothing where there is none."""
    has = isinstance(schema, dict) and "default" in schema
    return json.dumps(schema["default"]) if has else "nothing"


def _nullable(schema: Any) -> tuple[Any, bool]:
    if isinstance(schema, dict) and "anyOf" in schema:
        (one,) = (inner for inner in schema["anyOf"] if inner != {"type": "null"})
        return one, True
    return schema, False


def _presence(at: str, was: list[str], now: list[str], *, taken: bool) -> Iterator[str]:
    if taken:
        yield from _needed(at, was, now)
    else:
        yield from (f"{at}.{field} was always there" for field in was if field not in now)


def _less(was: Json, now: Json) -> list[str]:
    """Return the choices that are no more, and leave out all choices."""
    before, today = was.pop("enum", []), now.pop("enum", [])
    return [str(one) for one in before if one not in today]


def _tightened(was: Json, now: Json) -> list[str]:
    """Return the bounds that are tighter now, and leave out all bounds."""
    lower = {name: (was.pop(name, -inf), now.pop(name, -inf)) for name in _LOWER}
    upper = {name: (was.pop(name, inf), now.pop(name, inf)) for name in _UPPER}
    tighter = [name for name, (before, today) in lower.items() if today > before]
    return tighter + [name for name, (before, today) in upper.items() if today < before]


if __name__ == "__main__":
    (number,) = map(int, sys.argv[1:])
    path = DIRECTORY / f"{number}.json"
    path.write_text(text(frozen(described.DOCUMENT, number)), encoding="utf-8")
    print(f"written: {path}")
