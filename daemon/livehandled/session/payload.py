"""What clients give to be sent: checked before anything of it is sent."""

import re
from collections.abc import Mapping, Sequence

import msgspec
import pybase64

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.suggest import nearest
from livehandled.gemini.content import MOST_LEVELS, Content, Part, is_deep
from livehandled.gemini.names import UnknownNameError, camelised

_JPEG_START = b"\xff\xd8\xff"
_CONTENTS_OF_A_PART = (
    *("text", "inline_data", "file_data", "function_call", "function_response"),
    *("executable_code", "code_execution_result"),
)

# The form in which msgspec says what is wrong.
_WRONG = re.compile(
    r"(?:Expected )?(?P<expected>.*?)(?:, got `.*?`)?(?: - at (?:`key` in )?`\$(?P<at>.*?)`)?",
    re.DOTALL,
)


def words(text: str, param: str) -> None:
    """Refuse a text without a word in it, and one that no UTF-8 can hold.

    Raises `text.empty` or `wire.invalid_params`.
    """
    if not text.strip():
        raise LiveHandleError("text.empty", f"The {param} is empty: send words.", param=param)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _wrong(param, "text of whole Unicode characters") from error


def shallow(value: object, param: str) -> None:
    """Refuse a value with more levels than the service takes: it would close the session.

    Raises `wire.invalid_params`.
    """
    if is_deep(value):
        raise _wrong(param, f"a value of at most {MOST_LEVELS} levels")


def pcm(data: bytes | str) -> tuple[bytes, str]:
    """Return 16-bit PCM and its base64, given either.

    Raises `audio.bad_base64`, `audio.empty` or `audio.misaligned`.
    """
    samples, text = _both(data, "audio.bad_base64", "16-bit PCM")
    if not samples:
        raise LiveHandleError("audio.empty", "The audio has no samples.", param="data")
    if len(samples) % 2:
        raise LiveHandleError(
            "audio.misaligned",
            f"{len(samples)} bytes are no whole number of 16-bit samples: send an even number.",
            param="data",
            expected="an even number of bytes",
        )
    return samples, text


def jpeg(data: bytes | str) -> str:
    """Return the base64 of a JPEG picture, given either. Raises `video.not_jpeg`."""
    picture, text = _both(data, "video.not_jpeg", "a JPEG")
    if not picture.startswith(_JPEG_START):
        raise LiveHandleError(
            "video.not_jpeg",
            "The data is not a JPEG picture: convert the picture first.",
            param="data",
            expected="base64 of a JPEG",
        )
    return text


def contents(turns: Sequence[Content | Mapping[str, object]]) -> list[Content]:
    """Return turns of the history, names in either spelling.

    Raises `wire.invalid_params` for what the service would close the session over.
    """
    return [_content(turn, f"turns[{i}]") for i, turn in enumerate(turns)]


def _content(turn: Content | Mapping[str, object], at: str) -> Content:
    shallow(turn, at)
    content = turn if isinstance(turn, Content) else _converted(turn, at)
    if content.role not in {"user", "model"}:
        raise _wrong(f"{at}.role", '"user" or "model"')
    if not content.parts:
        raise _wrong(f"{at}.parts", "at least one part")
    for i, part in enumerate(content.parts):
        _check(part, f"{at}.parts[{i}]")
    try:
        msgspec.json.encode(content)
    except (TypeError, ValueError, RecursionError) as error:
        raise _wrong(at, "what JSON can hold, and not nested too deep") from error
    return content


def _converted(turn: Mapping[str, object], at: str) -> Content:
    try:
        tree = camelised(dict(turn), Content, strict=True)
        return msgspec.convert(tree, Content)
    except UnknownNameError as error:
        where = f"{at}.{error.at}".rstrip(".")
        near = nearest(error.name, error.known)
        expected = "a name that the Live API has" + (f", such as {near}" if near else "")
        raise _wrong(f"{where}.{error.name[:60]}", expected, near) from error
    except msgspec.ValidationError as error:
        found = _WRONG.fullmatch(str(error))
        assert found is not None
        expected = found["expected"].replace("`", "")
        where = re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), found["at"] or "")
        raise _wrong(at + where, expected) from error


def _check(part: Part, at: str) -> None:
    if sum(getattr(part, name) is not None for name in _CONTENTS_OF_A_PART) != 1:
        raise _wrong(at, "exactly one of " + ", ".join(_CONTENTS_OF_A_PART))
    if part.text is not None and not part.text.strip():
        raise _wrong(f"{at}.text", "words")
    blob = part.inline_data
    if blob is not None:
        if not blob.mime_type:
            raise _wrong(f"{at}.inline_data.mime_type", "a MIME type")
        if not _decoded(blob.data, "wire.invalid_params", "the data", f"{at}.inline_data.data"):
            raise _wrong(f"{at}.inline_data.data", "base64 of the data")


def _wrong(param: str, expected: str, near: str | None = None) -> LiveHandleError:
    return LiveHandleError(
        "wire.invalid_params",
        f"`{param}` cannot be sent to the model: it must be {expected}.",
        param=param,
        expected=expected,
        did_you_mean=near,
    )


def _both(data: bytes | str, error: str, what: str) -> tuple[bytes, str]:
    if isinstance(data, str):
        return _decoded(data, error, what, "data"), data
    return data, pybase64.b64encode(data).decode()


def _decoded(data: str, error: str, what: str, param: str) -> bytes:
    try:
        return pybase64.b64decode(data, validate=True)
    except ValueError as why:
        raise LiveHandleError(
            error,
            "The data is not standard base64: use the alphabet with + and /, padded with =.",
            param=param,
            expected=f"base64 of {what}",
        ) from why
