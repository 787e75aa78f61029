"""Results as text: JSON, and rows for people."""

import json
import sys
from collections.abc import Mapping


def as_json(value: object, indent: int | None = None) -> str:
    """Return JSON with letters as they are, where standard output can show them all."""
    shows_all = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    return json.dumps(value, ensure_ascii=not shows_all, indent=indent)


def rows(tree: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Return a result as rows of a dotted name and a value, for people."""
    listed: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            listed += rows(value, f"{prefix}{name}.")
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            listed += [(f"{prefix}{name}[{i}]", plain(one)) for i, one in enumerate(value)]
        elif value is not None:
            shown = "shown by --json" if name == "histogram" else plain(value)
            listed.append((prefix + name, shown))
    return listed


def plain(value: object) -> str:
    """Return text as it is where a terminal only shows it, all else as JSON."""
    return value if isinstance(value, str) and value.isprintable() else as_json(value)


def table(listed: list[tuple[str, str]], indent: str = "") -> str:
    """Return rows as aligned lines."""
    width = max((len(name) for name, _ in listed), default=0)
    return "\n".join(f"{indent}{name:<{width}}  {value}" for name, value in listed)
