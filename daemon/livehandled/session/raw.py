"""The service's messages as they came, for those who ask for them (`session.raw`)."""

import re
from collections.abc import Iterable

import msgspec

from livehandle_proto.topics import RawMessage
from livehandled.gemini.auth import MASK, mask

_HANDLE = re.compile(r'("new_?[Hh]andle"\s*:\s*")(?:[^"\\]|\\.)+')


def raw_message(frame: bytes, secrets: Iterable[str]) -> RawMessage:
    """Return a message verbatim, but on one line and without a resumption handle or a secret.

    The frame is JSON that has been read before. What is no UTF-8 in it is replaced.
    """
    # The service sets its messages on many lines; JSON has line ends between tokens alone.
    line = frame.replace(b"\r", b" ").replace(b"\n", b" ").decode("utf-8", "replace")
    shown = mask(_HANDLE.sub(rf"\1{MASK}", line), secrets)
    return RawMessage(message=msgspec.Raw(shown))
