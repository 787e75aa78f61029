"""The arguments of `talk`, and those that `play` shares with it."""

import argparse

_RATES = range(4_000, 96_001)

_EPILOG = """There is no echo cancellation: wear headphones, or the model hears itself and stops.
Speech over the model's silences the speaker at once. What was queued is dropped when the model
stops; if it does not, for it was a cough, its speech goes on. Ctrl-C ends it.

Without PortAudio, and with any recorder and player of raw 16-bit mono PCM:
  arecord -q -t raw -f S16_LE -r 16000 -c 1 | livectl talk --stdin-pcm --stdout-pcm |
    aplay -q -t raw -f S16_LE -r 24000 -c 1
Standard input is sent in real time however fast it comes, and its end, once it is answered, ends
it all. Standard output is a stream without gaps: silence while nobody speaks. Words then go to
standard error."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `talk`."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--list-devices", action="store_true", help="print the sound devices and exit"
    )
    parser.add_argument(
        "--input-device",
        type=_device,
        metavar="DEVICE",
        help="the microphone: its number, or a part of its name that no other has",
    )
    parser.add_argument(
        "--stdin-pcm",
        action="store_true",
        help="hear raw 16-bit little-endian mono PCM on standard input instead",
    )
    parser.add_argument(
        "--rate-in",
        type=_rate,
        default=16_000,
        metavar="HZ",
        help="of standard input (default 16000)",
    )
    add_speaker(parser)


def add_speaker(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where the model is heard."""
    parser.add_argument(
        "--output-device",
        type=_device,
        metavar="DEVICE",
        help="the speaker: its number, or a part of its name that no other has",
    )
    parser.add_argument(
        "--stdout-pcm",
        action="store_true",
        help="write raw 16-bit little-endian mono PCM to standard output instead",
    )
    parser.add_argument(
        "--rate-out",
        type=_rate,
        default=24_000,
        metavar="HZ",
        help="of standard output (default 24000)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="take the microphone and the speaker from the client that holds them",
    )


def _device(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _rate(text: str) -> int:
    if not text.isdecimal() or int(text) not in _RATES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a rate from {_RATES[0]} to {_RATES[-1]} Hz"
        )
    return int(text)
