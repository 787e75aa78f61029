"""The emulator's own requests, beside those of the service: faults and sessions at run time.

Each is a POST with a JSON body, taken from this machine alone:

- `/emulator/faults`: a fault that happens now or waits for its moment; answers `{}`
- `/emulator/faults/list`: answers the faults that wait, `{"faults": [...]}`
- `/emulator/faults/clear`: ends every fault, those that last among them; answers as the list
- `/emulator/sessions`: answers every session, its history and its connections

A fault that cannot be is refused in words, as the service refuses: `{"error": {...}}`.
"""

from urllib.parse import urlsplit

import msgspec

from livehandle_emulator.exchange import Json, RefusedRequestError, Request, invalid
from livehandle_emulator.service import Service
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.faults import fault_in

PREFIX = "/emulator/"


def is_control(request: Request) -> bool:
    """Return whether a request is one of the emulator's own."""
    return _path(request).startswith(PREFIX)


def respond(request: Request, service: Service, *, local: bool) -> Json:
    """Return the body of the answer. Raises `RefusedRequestError`."""
    if not local:
        raise RefusedRequestError(403, "PERMISSION_DENIED", "Ask from the emulator's own machine.")
    # A page in a browser cannot send that type elsewhere than home without asking first.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise RefusedRequestError(415, "INVALID_ARGUMENT", "Send application/json.")
    match _path(request).removeprefix(PREFIX):
        case "faults":
            _add(request, service)
            return {}
        case "faults/list":
            return _list(service)
        case "faults/clear":
            service.faults.clear()
            return _list(service)
        case "sessions":
            return {"sessions": msgspec.to_builtins(service.sessions())}
        case _:
            raise RefusedRequestError(404, "NOT_FOUND", "Requested entity was not found.")


def _add(request: Request, service: Service) -> None:
    try:
        tree = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid("The fault is no JSON.") from error
    try:
        service.faults.add(fault_in(tree))
    except LiveHandleError as error:
        if error.name == "config.invalid":
            raise invalid(error.message) from error
        raise RefusedRequestError(409, "FAILED_PRECONDITION", error.message) from error


def _list(service: Service) -> Json:
    return {"faults": msgspec.to_builtins(service.faults.waiting())}


def _path(request: Request) -> str:
    return urlsplit("//host" + request.target).path
