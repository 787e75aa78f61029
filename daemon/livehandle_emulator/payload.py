"""A frame becomes a message, or the connection ends with the service's words (wire 2)."""

import re

import pybase64

from livehandle_emulator.closing import RefusedError, invalid, unknown_name
from livehandled.gemini.client import ClientMessage
from livehandled.gemini.codec import FrameError, decode_client
from livehandled.gemini.content import Blob
from livehandled.gemini.names import UnknownNameError

_WRONG_TYPE = re.compile(r"Expected `(?P<type>\w+).*?(?: - at `\$\.?(?P<at>.*)`)?$", re.DOTALL)
_PROTO_TYPES = {
    "bool": "TYPE_BOOL",
    "int": "TYPE_INT32",
    "float": "TYPE_DOUBLE",
    "str": "TYPE_STRING",
}
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_RATE = re.compile(r";\s*rate=(\d+)")
_DEFAULT_RATE = 16_000


def message_in(frame: bytes) -> ClientMessage:
    """Return the one message in a frame. Raises `RefusedError`."""
    try:
        message = decode_client(frame)
    except UnknownNameError as error:
        raise unknown_name(error.name, error.at) from error
    except FrameError as error:
        raise _unreadable(str(error)) from error
    kinds = [name for name in message.__struct_fields__ if getattr(message, name) is not None]
    if not kinds:
        raise invalid()
    if len(kinds) > 1:
        raise invalid(
            "Invalid JSON payload received. Invalid value (oneof), oneof field 'message_type' "
            f"is already set. Cannot set '{kinds[1]}'"
        )
    return message


def _unreadable(error: str) -> RefusedError:
    match = _WRONG_TYPE.match(error)
    if match is None:
        return invalid("Invalid JSON payload received. Unexpected token.")
    if not match["at"]:
        return invalid("Invalid JSON payload received. Root element must be a message.")
    at = re.sub("[A-Z]", lambda capital: "_" + capital[0].lower(), match["at"])
    kind = _PROTO_TYPES.get(match["type"], "TYPE_MESSAGE")
    return invalid(f"Invalid value at '{at}' ({kind})")


def bytes_in(blob: Blob, at: str) -> bytes:
    """Return the bytes of a blob: standard or URL-safe base64, padded or not.

    Raises `RefusedError`, with `at` as the place of the blob.
    """
    try:
        text = blob.data.encode("ascii").translate(_URL_SAFE)
        return pybase64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError as error:  # binascii.Error and UnicodeEncodeError are both of this kind
        raise invalid(
            f"Invalid value at '{at}.data' (TYPE_BYTES), Base64 decoding failed"
        ) from error


def audio_in(blob: Blob, at: str) -> tuple[bytes, int]:
    """Return the PCM of a blob and its rate in Hz. Raises `RefusedError` if it is not PCM."""
    if not blob.mime_type.startswith("audio/pcm"):
        raise invalid()
    match = _RATE.search(blob.mime_type)
    # Python reads no number of some thousands of digits; the first few tell that it is too high.
    rate = int(match[1][:10]) if match else _DEFAULT_RATE
    if not 1_000 <= rate <= 192_000:
        raise invalid()
    return bytes_in(blob, at), rate


def image_in(blob: Blob, at: str) -> bytes:
    """Return the bytes of a still picture. Raises `RefusedError` if it is none."""
    if not blob.mime_type.startswith("image/"):
        raise invalid()
    return bytes_in(blob, at)
