"""What one who listens to the wire hears."""

from typing import Literal

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandled.session.wiretap import Connected, Listener, Wiretap

CONNECTED = Connected("s", 1, "m", "gemini", "wss://x", ("the-key",), ("the-handle",))


class Socket:
    tap: Listener | None = None


class Ears:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def opened(self, connection: Connected, *, before: bool) -> None:
        self.heard.append(("opened", connection.generation, before))

    def sent(self, frame: bytes, *, before: bool = False) -> None:
        self.heard.append(("sent", frame, before))

    def came(self, frame: bytes, *, before: bool = False) -> None:
        self.heard.append(("came", frame, before))

    def closed(
        self, by: Literal["service", "daemon", "network"], code: int | None, reason: str | None
    ) -> None:
        self.heard.append((by, code, reason))


def closed(code: int | None, reason: str = "") -> LiveHandleError:
    return LiveHandleError("upstream.rejected", "It closed.", close_code=code, close_reason=reason)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, ("daemon", None, None)),
        (closed(1011, "Deadline"), ("service", 1011, "Deadline")),
        (closed(1006), ("network", None, None)),
        (LiveHandleError("upstream.unreachable", "Gone."), ("network", None, None)),
    ],
)
def test_a_connection_is_heard_from_its_beginning_to_its_one_end(
    error: LiveHandleError | None, told: object
) -> None:
    wiretap, ears, socket = Wiretap(), Ears(), Socket()
    wiretap.listen(ears)
    with wiretap.connected(socket, CONNECTED):
        assert socket.tap is ears
        wiretap.asked(b"setup")
        wiretap.set_up(b"complete")
        wiretap.closed(error)
    assert ears.heard == [("opened", 1, False), told]


def test_an_error_that_leaves_the_connection_is_its_end() -> None:
    wiretap, ears = Wiretap(), Ears()
    wiretap.listen(ears)
    with pytest.raises(LiveHandleError), wiretap.connected(Socket(), CONNECTED):
        raise closed(1008, "no")
    assert ears.heard[1:] == [("service", 1008, "no")]


def test_who_listens_later_hears_first_how_the_connection_was_set_up() -> None:
    wiretap, ears, socket = Wiretap(), Ears(), Socket()
    with wiretap.connected(socket, CONNECTED):
        wiretap.asked(b"setup")
        wiretap.set_up(b"complete")
        wiretap.listen(ears)
        taps = [socket.tap]
        wiretap.leave()
        taps.append(socket.tap)
    assert taps == [ears, None]
    assert ears.heard == [
        ("opened", 1, True),
        ("sent", b"setup", True),
        ("came", b"complete", True),
    ]


def test_who_listens_during_the_setup_hears_what_was_asked_and_later_the_answer() -> None:
    wiretap, socket = Wiretap(), Socket()
    with wiretap.connected(socket, CONNECTED):
        wiretap.asked(b"setup")
        wiretap.listen(ears := Ears())
        assert socket.tap is not None
        socket.tap.came(b"complete")
        wiretap.set_up(b"complete")
        wiretap.leave()
    assert ears.heard == [
        ("opened", 1, True),
        ("sent", b"setup", True),
        ("came", b"complete", False),
    ]
    with wiretap.connected(Socket(), CONNECTED):
        wiretap.listen(other := Ears())
        assert other.heard == [("opened", 1, True)]


def test_between_connections_there_is_nothing_to_hear() -> None:
    wiretap, ears = Wiretap(), Ears()
    with wiretap.connected(Socket(), CONNECTED):
        pass
    wiretap.listen(ears)
    wiretap.leave()
    with wiretap.connected(socket := Socket(), CONNECTED):
        assert socket.tap is None
    assert ears.heard == []


def test_the_repr_shows_no_secret() -> None:
    assert "the-" not in repr(CONNECTED)
