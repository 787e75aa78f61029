"""Functions in client processes: registered, declared, taken over and ended."""

from typing import Any

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandle_proto.tools import ToolInfo, ToolsRegister, ToolsUnregister
from support.tools import GRACE_S, TIMEOUT_S, ToolClient, ToolRig, call

A, B = ToolClient("c1", "one"), ToolClient("c2", "two")


@pytest.fixture
def rig() -> ToolRig:
    return ToolRig(configured=["manual", "f"])


def shown(rig: ToolRig) -> dict[str, ToolInfo]:
    return {info.name: info for info in rig.tools.listed().tools}


def refused(rig: ToolRig, **params: Any) -> str:
    """Try to register for B; return the name of the error. Nothing may have changed."""
    before, told = rig.tools.listed(), list(rig.declarations)
    with pytest.raises(LiveHandleError) as caught:
        rig.tools.register(ToolsRegister(**params), B)
    assert (rig.tools.listed(), rig.declarations) == (before, told)
    return caught.value.name


# Registering.


def test_the_model_is_told_of_what_is_registered(rig: ToolRig) -> None:
    registered = rig.register(A, "g", "h")
    assert registered.declared == "now"
    assert rig.register(B, "i", reconnect=True).declared == "reconnect"
    assert rig.declarations == [["g", "h"], ["g", "h", "i"]]
    assert rig.checked == ["g", "h", "i"]
    assert registered.registration


def test_all_functions_are_listed_with_who_carries_them_out(rig: ToolRig) -> None:
    function: dict[str, object] = {"name": "f", "description": "What f is for."}
    rig.tools.register(ToolsRegister(declarations=[function], timeout_ms=7), A)
    rig.call("1", "2")
    assert rig.tools.listed().tools == [
        ToolInfo(
            name="manual",
            description=None,
            client=None,
            connection=None,
            timeout_ms=None,
            pending=0,
            declared=True,
        ),
        ToolInfo(
            name="f",
            description="What f is for.",
            client="one",
            connection="c1",
            timeout_ms=7,
            pending=2,
            declared=True,
        ),
    ]
    rig.leave(ToolClient("c9"))
    assert shown(rig)["f"].connection == "c1"


def test_a_function_that_the_model_does_not_know_yet_is_listed_so(rig: ToolRig) -> None:
    rig.register(A, "g")
    assert shown(rig)["g"].declared
    rig.declare([], reconnect=False)
    assert not shown(rig)["g"].declared


def test_a_client_may_have_several_registrations(rig: ToolRig) -> None:
    rig.register(A, "g")
    rig.register(A, "h", "i")
    assert (rig.tools.of(A), rig.tools.of(B)) == (3, 0)


def test_what_is_refused_changes_nothing(rig: ToolRig) -> None:
    token = rig.register(A, "g").registration
    assert refused(rig, declarations=[{"name": "g"}]) == "tools.name_taken"
    assert refused(rig, declarations=[{"name": "h"}, {}]) == "tools.bad_declaration"
    assert refused(rig, declarations=[]) == "tools.bad_declaration"
    assert refused(rig) == "wire.invalid_params"
    assert refused(rig, registration="0" * 16) == "tools.unknown_registration"
    rig.refused = LiveHandleError("upstream.unsupported", "It would close the session.")
    assert refused(rig, declarations=[{"name": "h"}]) == "upstream.unsupported"
    assert refused(rig, registration=token) == "upstream.unsupported"


# Taking over.


def test_the_token_brings_functions_and_timeout_along(rig: ToolRig) -> None:
    token = rig.register(A, "g", "h", timeout_ms=7).registration
    client = ToolClient("c3")
    assert rig.register(client, token=token).registration == token
    assert [(i.name, i.timeout_ms) for i in shown(rig).values() if i.connection == "c3"] == [
        ("g", 7),
        ("h", 7),
    ]
    assert rig.tools.of(A) == 0


def test_with_the_token_other_functions_and_another_timeout_may_be_given(rig: ToolRig) -> None:
    token = rig.register(A, "g", "h").registration
    rig.register(B, "h", "i", token=token, timeout_ms=7)
    assert [(i.name, i.timeout_ms) for i in shown(rig).values() if i.connection == "c2"] == [
        ("h", 7),
        ("i", 7),
    ]
    assert rig.declarations[-1] == ["h", "i"]


def test_in_the_grace_a_function_is_there_and_nobody_s(rig: ToolRig) -> None:
    client = ToolClient("c3")
    rig.register(client, "g")
    rig.leave(client)
    rig.after(GRACE_S - 0.1)
    info = shown(rig)["g"]
    assert (info.client, info.connection, info.declared) == (None, None, True)
    assert rig.declarations == [["g"]]


def test_after_the_grace_a_registration_ends_and_the_model_is_told(rig: ToolRig) -> None:
    client = ToolClient("c3")
    token = rig.register(client, "g").registration
    rig.register(B, "h")
    rig.leave(client)
    rig.after(GRACE_S)
    assert rig.declarations[-1] == ["h"]
    assert "g" not in shown(rig)
    assert refused(rig, registration=token) == "tools.unknown_registration"
    assert rig.tools.deadline is None


def test_who_comes_back_in_the_grace_stays(rig: ToolRig) -> None:
    client = ToolClient("c3")
    token = rig.register(client, "g").registration
    rig.leave(client)
    rig.after(GRACE_S / 2)
    rig.register(B, token=token)
    rig.after(GRACE_S)
    assert shown(rig)["g"].connection == "c2"


def test_a_configured_function_is_manual_again_when_its_client_has_gone(rig: ToolRig) -> None:
    client = ToolClient("c3")
    rig.register(client, "f")
    rig.leave(client)
    rig.after(GRACE_S)
    rig.call("1")
    rig.after(2 * TIMEOUT_S)
    assert rig.frames == []


# Ending.


def test_one_registration_is_ended_or_all_of_a_client(rig: ToolRig) -> None:
    one = rig.register(A, "g").registration
    rig.register(A, "h")
    rig.register(B, "i")
    assert rig.tools.unregister(ToolsUnregister(registration=one), A).declared == "now"
    assert rig.declarations[-1] == ["h", "i"]
    rig.tools.unregister(ToolsUnregister(), A)
    assert rig.declarations[-1] == ["i"]


@pytest.mark.parametrize("token", ["", "0" * 16, None])
def test_a_registration_that_is_not_one_s_own_cannot_be_ended(
    rig: ToolRig, token: str | None
) -> None:
    theirs = rig.register(B, "g").registration
    for given in (token, theirs):
        with pytest.raises(LiveHandleError) as caught:
            rig.tools.unregister(ToolsUnregister(registration=given), A)
        assert caught.value.name == "tools.unknown_registration"


# Time.


def test_whoever_waits_for_the_time_is_told_when_it_comes_nearer(rig: ToolRig) -> None:
    rig.register(A, "g")
    assert (rig.looks, rig.tools.deadline) == (0, None)
    rig.call(call("1", "g"))
    assert (rig.looks, rig.tools.deadline) == (1, rig.now)
    rig.settle()
    assert rig.tools.deadline == rig.now + TIMEOUT_S
