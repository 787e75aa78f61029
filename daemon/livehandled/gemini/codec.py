"""Frames to messages and back (wire 2, 3)."""

import re
from collections.abc import Mapping

import msgspec

from livehandled.gemini.client import ClientMessage
from livehandled.gemini.content import Message
from livehandled.gemini.names import camelised
from livehandled.gemini.server import ServerContent, ServerMessage

_encoder = msgspec.json.Encoder()
# Not strict: an int64 travels as a string in proto JSON, and as a number elsewhere.
_server = msgspec.json.Decoder(ServerMessage, strict=False)
_objects = msgspec.json.Decoder(dict[str, object])

# Only frames that hold an underscore are searched: frames of audio hold none.
_SNAKE_NAME = re.compile(rb'"[a-z0-9]+_[a-z0-9_]*"\s*:')


# What the decoder raises for bytes that are no JSON, no UTF-8, or nested deeper than it goes.
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


class FrameError(ValueError):
    """A frame that is no message: not JSON, not an object, or nothing in it readable."""


class Decoded(msgspec.Struct, frozen=True):
    """One frame from the service, and what in it could not be read."""

    message: ServerMessage
    skipped: tuple[str, ...] = ()
    """Each field that had the wrong type, with the reason. The others are in `message`."""


def encode(message: ClientMessage | ServerMessage) -> bytes:
    """Return the frame for a message."""
    return _encoder.encode(message)


def encode_setup(setup: Mapping[str, object]) -> bytes:
    """Return the first frame, from a setup that holds the user's own fields too."""
    return _encoder.encode({"setup": setup})


def decode_server(frame: bytes) -> Decoded:
    """Read one frame from the service.

    Names in either spelling, an int64 as number or string, several fields at once. A field of
    the wrong type costs that field alone. Raises `FrameError` for what is no JSON object.
    """
    try:
        return _decoded(frame)
    except _UNREADABLE as error:
        raise FrameError(f"not a JSON object: {error}") from error


def _decoded(frame: bytes) -> Decoded:
    if b"_" not in frame or _SNAKE_NAME.search(frame) is None:
        try:
            return Decoded(_server.decode(frame))
        except msgspec.ValidationError:
            pass  # read again below, field by field
    return _salvage(camelised(_objects.decode(frame), ServerMessage))


def _salvage(tree: object) -> Decoded:
    try:
        return Decoded(msgspec.convert(tree, ServerMessage, strict=False))
    except msgspec.ValidationError:
        pass  # some field is wrong: find which
    readable, skipped = _readable(tree, ServerMessage, "")
    content = tree.get("serverContent") if isinstance(tree, dict) else None
    if "serverContent" not in readable and isinstance(content, dict):
        inner, inner_skipped = _readable(content, ServerContent, "serverContent.")
        readable["serverContent"] = inner
        skipped = [s for s in skipped if not s.startswith("serverContent:")] + inner_skipped
    return Decoded(msgspec.convert(readable, ServerMessage, strict=False), tuple(skipped))


def _readable(tree: object, message: type[Message], at: str) -> tuple[dict[str, object], list[str]]:
    readable: dict[str, object] = {}
    skipped: list[str] = []
    for name, value in tree.items() if isinstance(tree, dict) else ():
        try:
            msgspec.convert({name: value}, message, strict=False)
        except msgspec.ValidationError as error:
            skipped.append(f"{at}{name}: {error}")
        else:
            readable[name] = value
    return readable, skipped


def decode_client(frame: bytes | str) -> ClientMessage:
    """Read one frame from a client, as strictly as the service does.

    Raises `names.UnknownNameError` for a name the protocol does not have, and `FrameError`
    for what is no JSON object or holds a value of the wrong type.
    """
    try:
        tree = _objects.decode(frame)
        return msgspec.convert(
            camelised(tree, ClientMessage, strict=True), ClientMessage, strict=False
        )
    except _UNREADABLE as error:
        raise FrameError(str(error)) from error
