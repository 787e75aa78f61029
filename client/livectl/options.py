"""What the commands of `table.py` take."""

import argparse


def ask(parser: argparse.ArgumentParser) -> None:
    """Add the words of a turn."""
    parser.add_argument("text", nargs="+", metavar="TEXT", help="the words, or - to read them")


def send_text(parser: argparse.ArgumentParser) -> None:
    """Add the words of a turn, and whether to follow the reply."""
    parser.add_argument("text", metavar="TEXT", help="the words, or - to read them")
    _follow(parser)


def send_audio(parser: argparse.ArgumentParser) -> None:
    """Add a recording and how it is sent."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help="a WAV file of any rate, or - to read WAV or raw 16-bit mono PCM at 16 kHz",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="N",
        help="times real time; 0 for as fast as it comes (default 1)",
    )
    parser.add_argument(
        "--tail",
        type=seconds,
        default=1.5,
        metavar="SECONDS",
        help="silence sent after the audio, so that its end is heard (default 1.5)",
    )
    _follow(parser)


def send_video(parser: argparse.ArgumentParser) -> None:
    """Add a picture."""
    parser.add_argument("file", metavar="FILE", help="a JPEG picture, or - to read one")


def events(parser: argparse.ArgumentParser) -> None:
    """Add what a subscription takes."""
    parser.add_argument(
        "topics", nargs="*", metavar="TOPIC", help="topics or patterns such as live.*"
    )
    parser.add_argument(
        "--topics",
        dest="listed",
        metavar="LIST",
        help="the same, parted by commas; `livectl help topics` lists them",
    )
    parser.add_argument("--since", metavar="CURSOR", help="first replay what came after it")
    parser.add_argument("--snapshot", action="store_true", help="begin with the state")


def wait(parser: argparse.ArgumentParser) -> None:
    """Add what is waited for."""
    parser.add_argument(
        "what",
        choices=("phase", "turn", "event"),
        metavar="WHAT",
        help="phase, turn (its end) or event",
    )
    parser.add_argument(
        "names",
        nargs="*",
        default=[],
        metavar="NAME",
        help="the phase, or topics and patterns of events; turn takes none",
    )
    parser.add_argument("--since", metavar="CURSOR", help="count events that came after it, too")
    parser.add_argument("--timeout", type=seconds, metavar="SECONDS", help="how long to wait")


def connect(parser: argparse.ArgumentParser) -> None:
    """Add the configuration of a session."""
    parser.add_argument(
        "config",
        nargs="*",
        metavar="KEY=VALUE",
        help="configuration of this session, such as session.model=gemini-3.8-live",
    )


def call(parser: argparse.ArgumentParser) -> None:
    """Add a method and its parameters."""
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument(
        "params",
        nargs="*",
        default=[],
        metavar="PARAMS",
        help="key=value pairs, or one JSON object or array, or - to read it",
    )


def state(parser: argparse.ArgumentParser) -> None:
    """Add what is done with the state."""
    parser.add_argument(
        "what",
        nargs="?",
        choices=("export", "import", "forget"),
        metavar="WHAT",
        help="export it to a file, import it from one, or forget it with the last session; "
        "nothing: show it",
    )
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="of export and import; - for a pipe"
    )


def demo(parser: argparse.ArgumentParser) -> None:
    """Add where the reply goes."""
    parser.add_argument("--output", metavar="FILE", help="where the reply is written as WAV")


def fault(parser: argparse.ArgumentParser) -> None:
    """Add what goes wrong, and when."""
    from livehandle_proto.fault_options import add_options  # no other command needs msgspec

    add_options(parser)


def faults(parser: argparse.ArgumentParser) -> None:
    """Add whether the faults end."""
    parser.add_argument("--clear", action="store_true", help="end every fault first")


def help_(parser: argparse.ArgumentParser) -> None:
    """Add what is explained."""
    parser.add_argument(
        "subject",
        nargs="?",
        metavar="TOPIC",
        help="a command, a method, an error, a topic of events, or "
        "errors, topics, methods, exit-codes, environment",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="one error or topic of events")


def man(parser: argparse.ArgumentParser) -> None:
    """Add which manual page."""
    parser.add_argument(
        "page",
        nargs="?",
        default="livectl",
        metavar="PAGE",
        help="livectl (the default), livehandled or livehandle-errors",
    )


def completions(parser: argparse.ArgumentParser) -> None:
    """Add which shell."""
    parser.add_argument("shell", metavar="SHELL", help="bash, zsh or fish")


def seconds(text: str) -> float:
    """Return a length of time that an option takes."""
    return _number(text, 1e6, "a length of time in seconds")


def _follow(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--follow", action="store_true", help="print the reply as it comes, until it ends"
    )


def _speed(text: str) -> float:
    return _number(text, 1000, "a number from 0 to 1000")


def _number(text: str, most: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value
