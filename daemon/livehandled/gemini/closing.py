"""What it means that the service closed the connection or refused it (wire 4.4).

Inside one code the words of the reason are all that tells the cases apart, and they change:
they are matched loosely, in the order of the tables, and handed on verbatim.
"""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.auth import mask


class Meaning(NamedTuple):
    """What one kind of refusal means."""

    codes: Sequence[int]
    """Close codes, or statuses of HTTP; empty: any."""
    words: Sequence[str]
    """One of these stands in the reason, in lower case; empty: any reason."""
    name: str
    """Of the error."""
    advice: str
    """What to do: the beginning of the error's message."""
    configuration: bool = False
    """Whether only a change of what was configured or sent can help: never to be retried."""


_BY_WORDS = (
    Meaning(
        (),
        ("is not found for api version", "supported for bidigeneratecontent", "publisher model"),
        "upstream.model_not_found",
        "Check session.model, session.backend, session.api_version and session.location",
        configuration=True,
    ),
    Meaning(
        (),
        ("quota", "resource_exhausted", "resource has been exhausted", "concurrent", "rate limit"),
        "upstream.quota",
        "Wait before the next attempt, or raise the quota of the key's project",
    ),
    Meaning(
        (),
        ("api key", "api_key", "unregistered caller", "authenticat", "credential", "permission"),
        "auth.rejected",
        "Check the API key and what its project may use",
        configuration=True,
    ),
)

_HANDLE = Meaning(
    (1007, 1008, 1011),
    ("session not found", "entity was not found", "session handle"),
    "session.setup_failed",
    "Connect without a resumption handle, the one that was sent is not known",
)

CLOSES = (
    *_BY_WORDS,
    _HANDLE,
    Meaning(
        (1007,),
        ("unknown name", "cannot find field"),
        "upstream.rejected",
        "Correct session.setup or session.api_version",
        configuration=True,
    ),
    Meaning(
        (1007,),
        ("modalit",),
        "upstream.rejected",
        "Change session.modality or session.model",
        configuration=True,
    ),
    Meaning(
        (1007,),
        (),
        "upstream.rejected",
        "Correct what was sent, this model does not take it",
        configuration=True,
    ),
    Meaning((1008,), ("goaway",), "session.ended", "Connect again, the connection was too old"),
    Meaning((1008,), ("aborted",), "session.ended", "Connect again, the connection was idle"),
    Meaning(
        (1008,),
        ("not implemented",),
        "upstream.rejected",
        "Connect again and send no audio during a tool call, nor what the model cannot do",
    ),
    Meaning((1008,), (), "upstream.rejected", "Change what was sent, the service forbids it"),
    Meaning((1009,), (), "upstream.rejected", "Send smaller pieces of data", configuration=True),
    Meaning((1002, 1003, 1010), (), "upstream.rejected", "Check session.base_url"),
    Meaning((1011,), ("keepalive",), "upstream.unreachable", "Check the network and connect again"),
    Meaning((1011,), ("deadline",), "session.ended", "Connect again, the connection was too old"),
    Meaning((1011,), ("unavailable",), "upstream.unreachable", "Connect again later"),
    Meaning((1011,), (), "session.ended", "Connect again, the service failed"),
    Meaning((1006, 1015), (), "upstream.unreachable", "Check the network and connect again"),
    Meaning((1012, 1013, 1014), (), "upstream.unreachable", "Connect again later"),
    Meaning((), (), "session.ended", "Connect again"),
)
"""The meaning of a close is the first row that fits."""

REFUSALS = (
    Meaning((429,), (), "upstream.quota", _BY_WORDS[1].advice),
    *_BY_WORDS,
    Meaning((401, 403), (), "auth.rejected", _BY_WORDS[2].advice, configuration=True),
    Meaning((407,), (), "upstream.unreachable", "Correct the proxy's user and password"),
    Meaning((408, *range(500, 600)), (), "upstream.unreachable", "Connect again later"),
    Meaning(
        (),
        (),
        "upstream.rejected",
        "Check session.base_url and session.api_version",
        configuration=True,
    ),
)
"""The meaning of an HTTP answer to the upgrade is the first row that fits."""

_MAX_WORDS = 300


def meaning_of_close(
    code: int, reason: str, during_setup: bool, secrets: Iterable[str] = ()
) -> LiveHandleError:
    """Return the error that a close means.

    Its data has `close_code` and `close_reason` verbatim but for `secrets`, and `configuration`:
    true if the same attempt can only fail again. `during_setup` is whether `setupComplete` had
    not come yet.
    """
    meaning = _first(CLOSES, code, reason)
    said = mask(reason, secrets)
    name, configuration = meaning.name, meaning.configuration
    if during_setup:
        name = "session.setup_failed" if name == "session.ended" else name
        # Nothing but the setup was sent, and it will be the same the next time.
        configuration = configuration or name == "upstream.rejected"
    return LiveHandleError(
        name,
        _sentence(meaning.advice, f"closed the connection with code {code}", said),
        close_code=code,
        close_reason=said,
        configuration=configuration,
    )


def meaning_of_http(
    status: int, body: bytes | str | None, secrets: Iterable[str] = ()
) -> LiveHandleError:
    """Return the error that an HTTP answer to the upgrade means.

    Its data has `http_status`, and `configuration`: true if the same attempt can only fail again.
    """
    said = mask(_words(body), secrets)[:_MAX_WORDS]
    meaning = _first(REFUSALS, status, said)
    return LiveHandleError(
        meaning.name,
        _sentence(meaning.advice, f"answered with HTTP status {status}", said),
        http_status=status,
        configuration=meaning.configuration,
    )


def _first(table: Iterable[Meaning], code: int, reason: str) -> Meaning:
    lowered = reason.lower()
    return next(
        row
        for row in table
        if (not row.codes or code in row.codes)
        and (not row.words or any(word in lowered for word in row.words))
    )


def _sentence(advice: str, happened: str, said: str) -> str:
    ending = f', saying "{said}"' if said else ""
    return f"{advice}: the service {happened}{ending}."


def _words(body: bytes | str | None) -> str:
    """Return the server's own words in a body: Google's JSON, or plain text, but not a page."""
    text = body if isinstance(body, str) else bytes(body or b"").decode(errors="replace")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return "" if text.lstrip().startswith("<") else " ".join(text.split())
    if isinstance(answer, list) and answer:
        answer = answer[0]
    error = answer.get("error") if isinstance(answer, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return " ".join(str(message or text).split())
