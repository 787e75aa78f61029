"""Every error that crosses the socket, by name (protocol section 7).

`data.name` is the contract; the numbers group errors by area. The message of an error is one
sentence that says what to do, so it is written where the error is raised; what stands here is
the meaning that every occurrence shares.
"""

from collections.abc import Mapping


class ErrorKind:
    """What all errors of one name have in common."""

    # No NamedTuple: importing `typing` would be a tenth of a client's start.
    __slots__ = ("code", "meaning", "retryable", "since")

    def __init__(self, code: int, retryable: bool, meaning: str, since: int = 1) -> None:
        self.code = code
        """JSON-RPC error code: outside -32768…-32000 but for the five that JSON-RPC defines."""
        self.retryable = retryable
        """Whether the same request may succeed later, unchanged."""
        self.meaning = meaning
        self.since = since
        """The API level that it came with."""


ERRORS: Mapping[str, ErrorKind] = {
    "wire.parse_error": ErrorKind(-32700, False, "The line is not JSON."),
    "wire.invalid_request": ErrorKind(-32600, False, "The JSON is not a JSON-RPC 2.0 request."),
    "wire.method_not_found": ErrorKind(-32601, False, "No method has that name."),
    "wire.invalid_params": ErrorKind(-32602, False, "A parameter is missing, unknown or wrong."),
    "wire.internal": ErrorKind(-32603, False, "The daemon failed; its log says how."),
    "session.not_connected": ErrorKind(1000, False, "No session is open: call connect."),
    "session.already_connected": ErrorKind(1001, False, "A session is open already."),
    "session.setup_failed": ErrorKind(1002, True, "The session could not be opened."),
    "session.ended": ErrorKind(1003, False, "The session ended before the call was done."),
    "session.timeout": ErrorKind(1004, True, "The awaited moment did not come in time."),
    "session.queue_full": ErrorKind(1005, True, "The way to the model is full: send slower."),
    "session.reaction": ErrorKind(1006, False, "A rule's reaction to the voice failed."),
    "audio.misaligned": ErrorKind(1100, False, "An odd byte count cannot be 16-bit samples."),
    "audio.empty": ErrorKind(1101, False, "The audio has no samples."),
    "audio.bad_base64": ErrorKind(1102, False, "The data is not standard base64."),
    "video.not_jpeg": ErrorKind(1110, False, "The data is not a JPEG picture."),
    "text.empty": ErrorKind(1120, False, "The text is empty."),
    "tools.unknown_call": ErrorKind(1200, False, "The model made no call of that id."),
    "tools.call_expired": ErrorKind(1201, False, "The call was answered, cancelled or too late."),
    "tools.name_taken": ErrorKind(1202, False, "Another client carries that tool out."),
    "tools.bad_declaration": ErrorKind(1203, False, "The tool cannot be declared as it is."),
    "tools.unknown_registration": ErrorKind(1204, False, "No such registration is there."),
    "upstream.rejected": ErrorKind(1300, False, "The model's service refused the session."),
    "upstream.quota": ErrorKind(1301, True, "The model's quota is used up for now."),
    "upstream.model_not_found": ErrorKind(1302, False, "The service has no such live model."),
    "upstream.unreachable": ErrorKind(1303, True, "The model's service could not be reached."),
    "upstream.unsupported": ErrorKind(1304, False, "Refused here: the model would not take it."),
    "upstream.bad_message": ErrorKind(1305, False, "The service sent what is no message."),
    "auth.missing_key": ErrorKind(1400, False, "No API key is configured."),
    "auth.rejected": ErrorKind(1401, False, "The service did not accept the credentials."),
    "events.unknown_subscription": ErrorKind(1500, False, "No such subscription here."),
    "events.unknown_topic": ErrorKind(1501, False, "No topic matches that name or pattern."),
    "events.bad_cursor": ErrorKind(1502, False, "The cursor is not of the form instance:seq."),
    "events.too_many": ErrorKind(1503, False, "The connection has too many subscriptions."),
    "events.lagged": ErrorKind(1504, False, "Events came faster than they were read."),
    "state.bad_key": ErrorKind(1600, False, "No such key can be used, or not so."),
    "state.bad_value": ErrorKind(1601, False, "The value is no plain JSON, or of another type."),
    "state.full": ErrorKind(1602, False, "The shared state has no room for that."),
    "extraction.unknown": ErrorKind(1610, False, "No extractor of that name is yours."),
    "extraction.name_taken": ErrorKind(1611, False, "An extractor of that name is registered."),
    "extraction.bad_spec": ErrorKind(1612, False, "The extractor cannot be used as it is."),
    "extraction.too_many": ErrorKind(1613, False, "No more extractors are taken."),
    "extraction.unknown_run": ErrorKind(1614, False, "No run of that id waits for an answer."),
    "extraction.failed": ErrorKind(1615, True, "The extractor gave no result."),
    "daemon.stopping": ErrorKind(1900, True, "The daemon is stopping."),
    "daemon.forbidden": ErrorKind(1901, False, "This user may not use the socket."),
    "daemon.already_running": ErrorKind(1902, False, "Another daemon holds this socket."),
    "daemon.unreachable": ErrorKind(1903, True, "No daemon answers at that socket."),
    "daemon.too_many_clients": ErrorKind(1904, True, "The daemon's client limit is reached."),
    "wire.too_long": ErrorKind(1910, False, "The line is longer than the daemon reads."),
    "wire.result_too_large": ErrorKind(1911, False, "The result needs a longer line."),
    "wire.too_many_pending": ErrorKind(1912, True, "Too many calls of one connection wait."),
    "roles.claimed": ErrorKind(1905, True, "Another connection holds the role."),
    "roles.not_held": ErrorKind(1906, False, "This connection does not hold the role."),
    "wire.closed": ErrorKind(1913, True, "The connection ended before the call was done."),
    "daemon.snapshot": ErrorKind(1907, False, "What is kept for a restart cannot be used."),
    "config.invalid": ErrorKind(1920, False, "A configuration value cannot be used."),
    "recording.running": ErrorKind(1940, False, "A recording runs already.", since=2),
    "recording.not_running": ErrorKind(1941, False, "No recording runs.", since=2),
    "recording.failed": ErrorKind(1942, True, "The recording cannot be written or read.", since=2),
    "client.usage": ErrorKind(1930, False, "The command line cannot be carried out."),
}


class LiveHandleError(Exception):
    """An error of the catalogue, raised in the daemon or received from it.

    `data` is what the error carries beside its name: `param`, `expected`, `did_you_mean`,
    `retry_after_ms`, `close_code`, `close_reason` and the like. A value of None is left out.
    """

    def __init__(self, name: str, message: str, /, **data: object) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.data = {key: value for key, value in data.items() if value is not None}

    @property
    def code(self) -> int:
        """The number of the error; an unknown name from a newer daemon counts as internal."""
        return ERRORS.get(self.name, ERRORS["wire.internal"]).code

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later, unchanged."""
        return ERRORS.get(self.name, ERRORS["wire.internal"]).retryable

    def to_json(self) -> dict[str, object]:
        """Return the JSON-RPC error object, with texts of any length cut to fit a line."""
        data = {"name": self.name, "retryable": self.retryable}
        for key, value in self.data.items():
            data[key] = _cut(value) if isinstance(value, str) else value
        return {"code": self.code, "message": _cut(self.message), "data": data}

    @classmethod
    def from_json(cls, error: Mapping[str, object]) -> "LiveHandleError":
        """Return the error that a JSON-RPC error object describes."""
        given = error.get("data")
        data = {str(k): v for k, v in given.items()} if isinstance(given, Mapping) else {}
        name = str(data.pop("name", "wire.internal"))
        data.pop("retryable", None)
        return cls(name, str(error.get("message", "")), **data)


_MAX_TEXT = 1000


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"
