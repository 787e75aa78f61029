"""`ask`: a typed turn and the model's answer, to its end."""

from argparse import Namespace

from livectl.commands import open_connection
from livectl.results import as_json
from livectl.usage import read_text
from livectl.watch.follow import Reply
from livehandle.connection import Event


def ask(options: Namespace) -> int:
    """Send the words and print the answer as it comes; with `--json` one object at its end."""
    words = read_text() if options.text == ["-"] else " ".join(options.text)
    exchange(options, words)
    return 0


def exchange(options: Namespace, words: str) -> None:
    """Send a turn on a connection of its own and print the answer.

    Raises what the daemon says of the turn, or why the answer did not come.
    """
    heard: list[Event] = []
    tell = heard.append if options.json else None
    with open_connection(options) as connection:
        reply = Reply(connection, in_json=False, quiet=options.quiet, tell=tell)
        connection.call("send_text", text=words)
        reply.finish()
    if options.json:
        print(as_json(_answer(heard)), flush=True)


def _answer(heard: list[Event]) -> dict[str, object]:
    """Return what was answered: its words, its turn, and the functions carried out for it."""
    turns = [event.data for event in heard if event.topic == "live.turn_complete"]
    calls = [event.data for event in heard if event.topic == "live.tool_execution"]
    return {
        "text": " ".join(str(turn["model"]) for turn in turns if turn.get("model")),
        "turn": turns[-1].get("turn") if turns else None,
        "interrupted": any(turn.get("interrupted") for turn in turns),
        "tools": [{key: call.get(key) for key in ("name", "args", "result")} for call in calls],
    }
