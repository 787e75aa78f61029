"""The commands that make the built-in emulator of a daemon fail."""

from argparse import Namespace

from livectl.commands import ANSWER_S, open_connection
from livectl.results import as_json
from livectl.usage import usage
from livehandle_proto.fault_options import described, fault_of, in_words
from livehandle_proto.faults import fault_in
from livehandle_proto.wrong_values import WrongValueError


def fault(options: Namespace) -> int:
    """Make a fault, now or at its moment."""
    try:
        wanted = described(fault_of(options))
    except WrongValueError as wrong:
        raise usage(f"{wrong.path}: {wrong.words}{'?' if wrong.near else '.'}") from wrong
    with open_connection(options, answer_timeout=ANSWER_S) as connection:
        connection.call("daemon.fault", **wanted)
    return 0


def faults(options: Namespace) -> int:
    """Print the faults that wait, a line each."""
    with open_connection(options, answer_timeout=ANSWER_S) as connection:
        result = connection.call("daemon.faults", **({"clear": True} if options.clear else {}))
    waiting = result.get("faults") if isinstance(result, dict) else None
    for one in waiting if isinstance(waiting, list) else ():
        print(as_json(one) if options.json else in_words(fault_in(one)))
    return 0
