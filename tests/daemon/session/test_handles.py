"""Which resumption handle the next connection of a session may use."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from livehandled.session.handles import Handles, Kept, Why

MODEL, BACKEND, KEY = "gemini-3.8-live", "gemini", "f00d"
HOUR = 3_600_000
AT = 1_790_000_000_000


def given_one(handle: str = "h1", backend: str = BACKEND, at_ms: int = AT) -> Handles:
    handles = Handles()
    assert updated(handles, handle, True, at_ms, backend)
    return handles


def updated(
    handles: Handles,
    handle: str | None,
    resumable: bool | None,
    at_ms: int = AT,
    backend: str = BACKEND,
) -> bool:
    return handles.update(handle, resumable, at_ms, model=MODEL, backend=backend, fingerprint=KEY)


def used(handles: Handles, now_ms: int = AT) -> str | Why:
    return handles.use(MODEL, BACKEND, KEY, now_ms)


def test_there_is_none_at_first() -> None:
    handles = Handles()
    assert used(handles) == Why("the service has given no handle yet")
    assert (handles.kept, handles.resumable) == (None, False)


def test_the_newest_handle_is_used_and_stays() -> None:
    handles = given_one()
    assert updated(handles, "h2", True)
    assert (used(handles), used(handles), handles.resumable) == ("h2", "h2", True)


@pytest.mark.parametrize(
    ("handle", "resumable"),
    [("", False), (None, False), ("", None), (None, None), ("h2", False), ("h2", None)],
)
def test_an_update_that_is_not_resumable_does_not_erase_the_handle(
    handle: str | None, resumable: bool | None
) -> None:
    handles = given_one()
    assert not updated(handles, handle, resumable)
    assert used(handles) == "h1"
    assert not handles.resumable


@pytest.mark.parametrize("handle", ["", None])
def test_a_resumable_update_without_a_handle_brings_none(handle: str | None) -> None:
    handles = given_one()
    assert not updated(handles, handle, True)
    assert used(handles) == "h1"
    assert handles.resumable


@pytest.mark.parametrize(
    ("model", "backend", "key", "words"),
    [
        ("other", BACKEND, KEY, "the handle is of another model"),
        (MODEL, "vertex", KEY, "the handle is of another backend"),
        (MODEL, BACKEND, "beef", "the handle is of another key"),
    ],
)
def test_a_handle_is_for_its_model_backend_and_key(
    model: str, backend: str, key: str, words: str
) -> None:
    handles = given_one()
    assert handles.use(model, backend, key, AT) == Why(words)
    assert used(handles) == "h1"


@pytest.mark.parametrize(("backend", "hours"), [("gemini", 2), ("emulator", 2), ("vertex", 24)])
def test_a_handle_is_valid_for_hours_after_the_connection_was_last_up(
    backend: str, hours: int
) -> None:
    handles = given_one(backend=backend)
    handles.touch(AT + 10 * HOUR)
    last = AT + 10 * HOUR + hours * HOUR
    assert handles.use(MODEL, backend, KEY, last) == "h1"
    why = handles.use(MODEL, backend, KEY, last + 1)
    assert why == Why(f"the handle is older than {hours} hours")


def test_a_clock_set_back_does_not_make_a_handle_older() -> None:
    handles = given_one()
    handles.touch(AT - 5 * HOUR)
    assert used(handles, AT - 5 * HOUR) == "h1"
    assert used(handles, AT + 2 * HOUR) == "h1"


def test_touching_without_a_handle_does_nothing() -> None:
    handles = Handles()
    handles.touch(AT)
    assert handles.kept is None


def test_one_failed_use_drops_the_handle() -> None:
    handles = given_one()
    handles.failed()
    assert used(handles) == Why("the last handle was refused, and no other has come")
    assert (handles.kept, handles.resumable) == (None, False)
    assert not updated(handles, "h1", True)  # sent again, it is no better
    assert updated(handles, "h2", True)
    assert used(handles) == "h2"


def test_a_failure_without_a_handle_changes_no_reason() -> None:
    handles = Handles()
    handles.failed()
    assert used(handles) == Why("the service has given no handle yet")


def test_a_handle_that_is_passed_over_leaves_the_one_before_and_is_shown_to_nobody() -> None:
    handles = Handles()
    handles.pass_over("h0", True)
    assert not handles.resumable
    assert used(handles) == Why("no handle has come at rest, and what another covers is not known")
    updated(handles, "h1", True)
    handles.pass_over("h2", True)
    assert used(handles) == "h1"
    assert handles.known == ["h0", "h2", "h1"]


def test_the_handle_of_a_session_that_is_over_is_dropped() -> None:
    handles = given_one()
    handles.begin_anew()
    why = "the service has given no handle since the session was begun anew"
    assert used(handles) == Why(why)
    assert not updated(handles, "h1", True)


def test_a_handle_outlives_the_daemon() -> None:
    handles = given_one()
    handles.touch(AT + HOUR)
    assert handles.kept is not None
    stored = msgspec.json.decode(msgspec.json.encode(handles.kept), type=Kept)
    assert stored == handles.kept
    assert (stored.at_ms, stored.handle) == (AT + HOUR, "h1")
    again = Handles(stored)
    assert not again.resumable  # until the service says so
    assert used(again, AT + 3 * HOUR) == "h1"


def test_no_repr_shows_the_handle() -> None:
    handles = given_one("secret-handle")
    for shown in (repr(handles), repr(handles.kept), str(handles.kept), f"{[handles.kept]}"):
        assert "secret-handle" not in shown


class OverConnections(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.handles = Handles()
        self.newest: str | None = None
        self.refused: set[str] = set()

    @rule(
        handle=st.sampled_from(["", "a", "b", "c", None]),
        resumable=st.sampled_from([True, False, None]),
    )
    def update(self, handle: str | None, resumable: bool | None) -> None:
        kept = updated(self.handles, handle, resumable)
        assert kept is bool(handle and resumable and handle not in self.refused)
        if kept:
            self.newest = handle

    @rule()
    def fail(self) -> None:
        if self.newest is not None:
            self.refused.add(self.newest)
        self.newest = None
        self.handles.failed()

    @rule(hours=st.integers(0, 3))
    def touch(self, hours: int) -> None:
        self.handles.touch(AT + hours * HOUR)

    @invariant()
    def only_the_newest_usable_one_is_used(self) -> None:
        handle = used(self.handles)
        assert handle not in self.refused
        assert handle == self.newest if self.newest is not None else isinstance(handle, Why)


TestOverConnections = OverConnections.TestCase
TestOverConnections.settings = settings(max_examples=50, stateful_step_count=20)


@given(st.text(min_size=1), st.text(), st.text(), st.text())
def test_a_handle_is_used_only_as_what_it_is(
    handle: str, model: str, backend: str, key: str
) -> None:
    handles = given_one(handle)
    same = (model, backend, key) == (MODEL, BACKEND, KEY)
    assert isinstance(handles.use(model, backend, key, AT), str) is same
