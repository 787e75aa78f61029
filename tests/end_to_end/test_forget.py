"""What is kept is forgotten where that is asked for: in memory, in events and on disk."""

from pathlib import Path

from support.daemon import private_directory, running_daemon
from support.wire import WireClient

SECRET = "the colour of the curtains"


def files(directory: Path) -> bytes:
    """Return all that stands in the files below a directory."""
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


def spoken_to(client: WireClient) -> str:
    """Have a conversation; return a cursor from before it."""
    cursor: str = client.result("events", topics=["live.turn_complete"])["cursor"]
    client.result("state.set", key="app:secret", value=SECRET)
    client.result("send_text", text=SECRET)
    assert client.event()["topic"] == "live.turn_complete"
    return cursor


def test_nothing_is_left_of_it() -> None:
    with private_directory() as directory:
        state = directory / "state"
        with running_daemon("--emulator", environ={"STATE_DIRECTORY": str(state)}) as daemon:
            with daemon.client() as client:
                cursor = spoken_to(client)
                refused = client.error("state.forget")["data"]["name"]
                assert refused == "session.already_connected"
                client.result("disconnect")
                assert SECRET.encode() in files(state)
                assert client.result("state.forget") is None
                assert client.result("state") == {}
                assert client.result("transcript")["turns"] == []
                mutations = client.result("state.mutations_since", cursor=0)
                assert (mutations["mutations"], mutations["gap"]) == ([], True)
                replayed = client.result("events", since=cursor)
                assert replayed["reset"] is True
                assert SECRET not in str(replayed)
                assert SECRET.encode() not in files(state)
                assert client.result("session")["session_id"] is None
            daemon.process.terminate()
            assert daemon.exit_code() == 0
        assert SECRET.encode() not in files(state)


def test_another_session_begins_as_the_first_one_did() -> None:
    with private_directory() as directory:
        given = {"STATE_DIRECTORY": str(directory / "state")}
        with running_daemon("--emulator", environ=given) as daemon, daemon.client() as client:
            spoken_to(client)
            client.result("disconnect")
            client.result("state.forget")
            client.result("connect")
            client.result("send_text", text="Hi")
            assert client.event()["data"]["turn"] == 0
