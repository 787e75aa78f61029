"""The answer to a line, kept within what the peer reads (protocol section 2). Sans-I/O."""

from collections.abc import Iterable, Sequence

from livehandle_proto.errors import LiveHandleError
from livehandled.control.dispatch import Answer, failed

# An error of `_too_large` with a long id; MAX_BATCH of them fit the shortest line.
_ERROR_BYTES = 512


def answer_line(answers: Iterable[Answer], *, batch: bool) -> bytes:
    """Return the line that carries the answers; empty where nobody waits for one."""
    texts = [answer.text for answer in answers if not answer.notification]
    if not texts:
        return b""
    return b"[" + b",".join(texts) + b"]\n" if batch else texts[0] + b"\n"


def plain_line(answer: Answer, *, line_bytes: int) -> bytes:
    """Return the line of a result by itself; empty where there is more to it (see `fitted`)."""
    text = answer.text
    plain = answer.error is None and answer.request_id and len(text) + 4 <= line_bytes
    return text + b"\n" if plain else b""


def fitted(answers: Sequence[Answer], *, line_bytes: int) -> list[Answer]:
    """Return the answers as they are, or as `wire.result_too_large` where one has no room.

    Their line is then shorter than `line_bytes`, for as many answers as a batch may have.
    """
    lengths = [0 if answer.notification else len(answer.text) for answer in answers]
    needed = sum(lengths) + len(answers) + len("[]\n")
    if needed <= line_bytes:
        return list(answers)
    room = line_bytes - len("[]\n") - _ERROR_BYTES * len(answers)
    kept: list[Answer] = []
    for answer, length in zip(answers, lengths, strict=True):
        fits = length + 1 - _ERROR_BYTES <= room
        kept.append(answer if fits else _too_large(answer, needed))
        room -= (length if fits else len(kept[-1].text)) + 1 - _ERROR_BYTES
    return kept


def _too_large(answer: Answer, needed: int) -> Answer:
    error = LiveHandleError(
        "wire.result_too_large",
        f"The line needs {needed} bytes: raise max_line_bytes in daemon.hello.",
        param="max_line_bytes",
        expected=f"at least {needed}",
    )
    return failed(answer.request_id, answer.method, error)
