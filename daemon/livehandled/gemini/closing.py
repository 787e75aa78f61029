"""What it means that the service closed the connection or refused it, and what to do (wire 4.4).

Inside one code the words of the reason are all that tells the cases apart, and they change:
they are matched loosely, in the order of the tables, and handed on verbatim.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

from livehandle_proto.errors import LiveHandleError
from livehandled.gemini.auth import mask

Action: TypeAlias = Literal["stop", "retry", "slow", "once", "fresh"]
"""What to do after a loss.

`stop`: only a change of what was configured can help. `retry`: connect again after a while, with
the handle. `slow`: a quota is used up, wait long and not for ever. `once`: something that was
sent was not liked, so connect again, and stop if that happens again. `fresh`: the handle is at
fault, connect without it.
"""

_ACTIONS: tuple[Action, ...] = get_args(Action)


class Actions(NamedTuple):
    """What to do, by the moment of the close."""

    in_session: Action
    in_setup: Action
    """Before `setupComplete`, and no handle was sent: the setup will be the same the next time."""
    resuming: Action
    """Before `setupComplete`, and a handle was sent."""


_STOP = Actions("stop", "stop", "stop")
_RETRY = Actions("retry", "retry", "retry")
_SLOW = Actions("slow", "slow", "slow")
_SENT = Actions("once", "stop", "stop")
_SENT_OR_HANDLE = Actions("once", "stop", "fresh")
_HANDLE = Actions("fresh", "stop", "fresh")


class Meaning(NamedTuple):
    """What one kind of refusal means."""

    codes: Sequence[int]
    """Close codes, or statuses of HTTP; empty: any."""
    words: Sequence[str]
    """One of these stands in the reason, in lower case; empty: any reason."""
    name: str
    """Of the error."""
    actions: Actions
    advice: str
    """What to do: the beginning of the error's message."""


_MODEL_NOT_FOUND = Meaning(
    (),
    ("is not found for api version", "supported for bidigeneratecontent", "publisher model"),
    "upstream.model_not_found",
    _STOP,
    "Check session.model, session.backend, session.api_version and session.location",
)
_QUOTA = Meaning(
    (),
    ("quota", "resource_exhausted", "resource has been exhausted", "concurrent", "rate limit"),
    "upstream.quota",
    _SLOW,
    "Wait before the next attempt, or raise the quota of the key's project",
)
_CREDENTIALS = Meaning(
    (),
    ("api key", "api_key", "unregistered caller", "authenticat", "credential", "permission"),
    "auth.rejected",
    _STOP,
    "Check the API key and what its project may use",
)

CLOSES = (
    _MODEL_NOT_FOUND,
    # Under this code a quota's wording is final (wire 4.4).
    _QUOTA._replace(codes=(1008,), actions=_STOP),
    _QUOTA,
    _CREDENTIALS,
    Meaning(
        (1007, 1008, 1011),
        ("session not found", "entity was not found", "session handle"),
        "session.setup_failed",
        _HANDLE,
        "Connect without a resumption handle, the one that was sent is not known",
    ),
    Meaning(
        (1007,),
        ("unknown name", "cannot find field"),
        "upstream.rejected",
        _STOP,
        "Correct session.setup or session.api_version",
    ),
    Meaning(
        (1007,),
        ("modalit",),
        "upstream.rejected",
        _STOP,
        "Change session.modality or session.model",
    ),
    Meaning(
        (1007,),
        ("thinking", "blocking function", "scheduling"),
        "upstream.rejected",
        _STOP,
        "Correct what was sent, this model does not take it",
    ),
    Meaning(
        (1007,),
        ("precondition", "content_type_audio"),
        "upstream.rejected",
        _STOP,
        "Check session.model and session.api_version, they may not go together",
    ),
    Meaning(
        (1007,),
        (),
        "upstream.rejected",
        _SENT_OR_HANDLE,
        "Correct what was sent, this model does not take it",
    ),
    Meaning(
        (1008,), ("goaway",), "session.ended", _RETRY, "Connect again, the connection was too old"
    ),
    Meaning(
        (1008,), ("aborted",), "session.ended", _RETRY, "Connect again, the connection was idle"
    ),
    Meaning(
        (1008,),
        ("not implemented",),
        "upstream.rejected",
        _SENT_OR_HANDLE,
        "Connect again and send no audio during a tool call, nor what the model cannot do",
    ),
    Meaning(
        (1008,),
        (),
        "upstream.rejected",
        _SENT_OR_HANDLE,
        "Change what was sent, the service forbids it",
    ),
    Meaning((1009,), (), "upstream.rejected", _SENT, "Send smaller pieces of data"),
    Meaning((1002, 1003, 1010), (), "upstream.rejected", _SENT, "Check session.base_url"),
    Meaning(
        (1011,),
        ("keepalive",),
        "upstream.unreachable",
        _RETRY,
        "Check the network and connect again",
    ),
    Meaning(
        (1011,), ("deadline",), "session.ended", _RETRY, "Connect again, the connection was too old"
    ),
    Meaning((1011,), ("unavailable",), "upstream.unreachable", _RETRY, "Connect again later"),
    Meaning((1011,), (), "session.ended", _RETRY, "Connect again, the service failed"),
    Meaning(
        (1006, 1015), (), "upstream.unreachable", _RETRY, "Check the network and connect again"
    ),
    Meaning((1012, 1013, 1014), (), "upstream.unreachable", _RETRY, "Connect again later"),
    Meaning((), (), "session.ended", _RETRY, "Connect again"),
)
"""The meaning of a close is the first row that fits."""

REFUSALS = (
    _QUOTA._replace(codes=(429,), words=()),
    _MODEL_NOT_FOUND,
    _QUOTA,
    _CREDENTIALS,
    _CREDENTIALS._replace(codes=(401, 403), words=()),
    Meaning((407,), (), "upstream.unreachable", _STOP, "Correct the proxy's user and password"),
    Meaning((408, *range(500, 600)), (), "upstream.unreachable", _RETRY, "Connect again later"),
    Meaning(
        (),
        (),
        "upstream.rejected",
        _STOP,
        "Check session.base_url and session.api_version",
    ),
)
"""The meaning of an HTTP answer to the upgrade is the first row that fits."""

_MAX_WORDS = 300


def meaning_of_close(
    code: int,
    reason: str,
    during_setup: bool,
    secrets: Iterable[str] = (),
    *,
    with_handle: bool = False,
) -> LiveHandleError:
    """Return the error that a close means.

    Its data has `close_code` and `close_reason` verbatim but for `secrets`, and `action`.
    `during_setup` is whether `setupComplete` had not come yet, `with_handle` whether the setup
    had a resumption handle.
    """
    meaning = _first(CLOSES, code, reason)
    said = mask(reason, secrets)
    name, action = meaning.name, meaning.actions.in_session
    if during_setup:
        name = "session.setup_failed" if name == "session.ended" else name
        action = meaning.actions.resuming if with_handle else meaning.actions.in_setup
    return LiveHandleError(
        name,
        _sentence(meaning.advice, f"closed the connection with code {code}", said),
        close_code=code,
        close_reason=said,
        action=action,
    )


def meaning_of_http(
    status: int, body: bytes | str | None, secrets: Iterable[str] = ()
) -> LiveHandleError:
    """Return the error that an HTTP answer to the upgrade means.

    Its data has `http_status` and `action`.
    """
    said = mask(_words(body), secrets)[:_MAX_WORDS]
    meaning = _first(REFUSALS, status, said)
    return LiveHandleError(
        meaning.name,
        _sentence(meaning.advice, f"answered with HTTP status {status}", said),
        http_status=status,
        action=meaning.actions.in_setup,
    )


def action_of(error: LiveHandleError) -> Action:
    """Return what to do after an error of a connection, also one that is no close.

    An unreachable service and a deadline are worth another attempt, as every error that is
    `retryable`; missing or wrong credentials and wrong values are not.
    """
    known = error.data.get("action")
    for action in _ACTIONS:
        if action == known:
            return action
    if error.name == "upstream.quota":
        return "slow"
    return "retry" if error.retryable else "stop"


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
