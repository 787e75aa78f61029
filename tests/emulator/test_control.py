"""The emulator's own requests, over the same port as its sessions."""

import http.client
import json
from functools import partial

import anyio
import pytest
from anyio import to_thread

from livehandle_emulator.control import is_control, respond
from livehandle_emulator.exchange import Json, RefusedRequestError, Request
from livehandle_emulator.scenario import Scenario
from livehandle_emulator.service import Service
from livehandle_proto.faults import Fault
from support.emulator import serving

JSON = {"content-type": "application/json"}


def asked(service: Service, path: str, body: object = None, **changes: object) -> Json:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request("POST", f"/emulator/{path}", JSON, content)
    return respond(request._replace(**changes), service, local=True)  # type: ignore[arg-type]  # each test gives fields of a request


def refused(service: Service, path: str, body: object = None, **changes: object) -> tuple[int, str]:
    with pytest.raises(RefusedRequestError) as caught:
        asked(service, path, body, **changes)
    return caught.value.code, str(caught.value)


def test_a_fault_waits_and_is_listed_and_cleared() -> None:
    service = Service()
    fault = {"do": "close", "at": "tool_call", "code": 1008}
    assert asked(service, "faults", fault) == {}
    assert service.faults.waiting() == [Fault(do="close", at="tool_call", code=1008)]
    assert asked(service, "faults/list") == {"faults": [fault]}
    assert asked(service, "faults/clear") == {"faults": []}
    assert service.faults.waiting() == []


def test_sessions_are_told() -> None:
    service = Service()
    assert asked(service, "sessions") == {"sessions": service.sessions()}


@pytest.mark.parametrize(
    ("path", "body", "code", "said"),
    [
        ("faults", b"{", 400, "The fault is no JSON."),
        ("faults", b"[" * 100_000, 400, "The fault is no JSON."),
        ("faults", b"\xff", 400, "The fault is no JSON."),
        ("faults", {"do": "clos"}, 400, "did you mean close?"),
        ("faults", {"do": "slow"}, 400, "bytes_per_s of the fault: slow needs it."),
        ("faults", {"do": "close"}, 409, "Open a connection to the emulator first"),
        ("fault", {}, 404, "not found"),
        ("", {}, 404, "not found"),
    ],
)
def test_what_cannot_be_done_is_told(path: str, body: object, code: int, said: str) -> None:
    status, message = refused(Service(), path, body)
    assert status == code
    assert said in message


def test_only_json_from_this_machine_is_taken() -> None:
    assert refused(Service(), "faults/clear", headers={})[0] == 415
    assert refused(Service(), "faults/clear", headers={"content-type": "text/plain"})[0] == 415
    asked(Service(), "faults/clear", headers={"content-type": "application/json; charset=utf-8"})
    request = Request("POST", "/emulator/sessions", JSON, b"{}")
    with pytest.raises(RefusedRequestError) as caught:
        respond(request, Service(), local=False)
    assert caught.value.code == 403


@pytest.mark.parametrize(
    ("target", "own"),
    [
        ("/emulator/faults", True),
        ("/emulator/x?key=k", True),
        ("/emulator", False),
        ("/v1beta/models/m:generateContent", False),
    ],
)
def test_requests_of_the_service_are_not_its_own(target: str, own: bool) -> None:
    assert is_control(Request("POST", target, {}, b"")) is own


@pytest.mark.anyio
async def test_the_port_of_the_sessions_takes_them() -> None:
    service = Service(Scenario())
    async with serving(service=service) as port:
        with anyio.fail_after(10):
            status, body = await to_thread.run_sync(partial(post, port, {"do": "refuse"}))
    assert (status, body) == (200, {})
    assert service.faults.waiting() == [Fault(do="refuse")]


def post(port: int, fault: Json) -> tuple[int, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", "/emulator/faults", json.dumps(fault), dict(JSON))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
