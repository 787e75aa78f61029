"""Results that have words of their own for people; all others are rows."""

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping

from livectl.results import plain, rows, table
from livectl.terminal import safe

Json = Mapping[str, object]


def _claims(result: Json, _options: Namespace) -> str:
    return table([(role, _holder(holder)) for role, holder in result.items()])


def _holder(holder: object) -> str:
    if not isinstance(holder, dict):
        return "nobody"
    name = holder.get("client") or holder.get("connection")
    return f"{safe(str(name))} (pid {holder.get('pid')})"


def _status(result: Json, _options: Namespace) -> str:
    given = result.get("clients")
    clients = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    rest = {name: value for name, value in result.items() if name != "clients"}
    return table(
        [*rows(rest), *((f"client {one.get('connection')}", _client(one)) for one in clients)]
    )


def _client(client: Json) -> str:
    told = [f"{plain(client.get('client') or 'without a name')}, pid {client.get('pid')}"]
    roles = client.get("roles")
    if isinstance(roles, list) and roles:
        told.append(f"holds {' and '.join(map(str, roles))}")
    if client.get("lag_ms"):
        told.append(f"{client['lag_ms']} ms behind")
    return ", ".join(told)


def _transcript(result: Json, options: Namespace) -> str:
    given = result.get("turns")
    turns = [*(given if isinstance(given, list) else []), result.get("current")]
    told = [line for turn in turns if isinstance(turn, dict) for line in _turn(turn)]
    if not told and not options.quiet:
        print("livectl: No turn yet: livectl ask TEXT begins one.", file=sys.stderr)
    return "\n".join(told)


def _turn(turn: Json) -> list[str]:
    mark = " [interrupted]" if turn.get("interrupted") else ""
    said = [("you", str(turn.get("user") or "")), ("model", str(turn.get("model") or "") + mark)]
    lines = [f"{who + ':':<6} {safe(words)}" for who, words in said if words]
    calls = turn.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            told = "{name}({args}) -> {result}".format_map(call)
            lines.append(f"  tool: {safe(told)}")
    return lines


VIEWS: Mapping[str, Callable[[Json, Namespace], str]] = {
    "claim": _claims,
    "claims": _claims,
    "daemon.status": _status,
    "transcript": _transcript,
}
"""The words of each, by the method."""
