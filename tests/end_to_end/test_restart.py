"""A daemon that is stopped or killed and started again: the conversation goes on."""

import signal

import pytest

from support.daemon import DaemonProcess
from support.house import KEY, TIMING, House, house
from support.wire import Message, WireClient

MODEL = ("session.model=gemini-live-2.5-flash-preview", "session.modality=text")
ENDS = pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "kill -9"])
TOTALS = ("turn_count", "text_turns_in", "response_count", "total_token_count")
LIGHT = {"tools": [{"functionDeclarations": [{"name": "light"}]}]}


def start(made: House, *values: str, key: str = KEY) -> DaemonProcess:
    """Start a daemon whose model answers by text."""
    return made.start(*MODEL, *values, key=key)


def listen(client: WireClient) -> None:
    """Subscribe to what `say` waits for."""
    client.result("events", topics=["live.*", "session.*"])


def say(client: WireClient, words: str) -> Message:
    """Send a typed turn to which the emulator answers; return its end, once a handle covers it."""
    assert client.result("send_text", text=words) is None
    ended = client.event_of("live.turn_complete")
    client.event_of("session.resume_update")
    return ended


def how_it_goes_on(client: WireClient) -> Message:
    """Return the `session.resumed` of this daemon: how it took up what was before."""
    instance = client.result("daemon.hello")["instance"]
    client.result("events", topics=["live.*", "session.*"], since=f"{instance}:0")
    event = client.event_of("session.resumed")
    assert not any(
        e["topic"] == "live.connected" and e["seq"] > event["seq"] for e in client.events
    )
    return dict(event["data"])


# The session that was, goes on.


@ENDS
def test_a_conversation_outlives_its_daemon(end: int) -> None:
    with house() as made:
        first = start(made, "session.greeting=Welcome")
        with first.client() as client:
            listen(client)
            cursor = client.result("events")["cursor"]
            client.result("state.set", key="app:order", value={"item": "latte"})
            client.result("connect")
            client.event_of("session.resume_update")
            say(client, "One")
            say(client, "Two")
            session = client.result("session")
            turns = client.result("transcript")["turns"]
            totals = client.result("telemetry")
        made.until_kept(lambda s: s.turns == session["turns"])
        first.stop(end)
        second = start(made, "session.greeting=Welcome")
        with second.client() as client:
            answer = client.result("events", since=cursor)
            assert answer["reset"]
            assert answer["snapshot"]["state"]["app:order"] == {"item": "latte"}
            assert answer["snapshot"]["transcript"]["turns"] == turns
        with second.client() as client:
            told = how_it_goes_on(client)
            assert (told["restored"], told["reason"], told["lost"]) == ("handle", None, 0)
            now = client.result("session")
            assert (now["session_id"], now["turns"]) == (session["session_id"], session["turns"])
            assert now["reconnects"] == session["reconnects"] + 1
            assert client.result("transcript")["turns"] == turns
            after = client.result("telemetry")
            assert {name: after[name] for name in TOTALS} == {n: totals[n] for n in TOTALS}
            assert client.result("state.get", key="session:turn_count")["value"] == session["turns"]
            ended = say(client, "Three")
            assert ended["data"]["turn"] == session["turns"]
        assert len(made.sessions) == 1
        assert made.words() == ["Welcome", "One", "Two", "Three"]


@ENDS
def test_a_text_that_was_accepted_without_a_connection_arrives_once(end: int) -> None:
    with house() as made:
        first = start(made)
        with first.client() as client:
            listen(client)
            say(client, "Before")
            made.ask("faults", {"do": "refuse", "times": 0})
            made.ask("faults", {"do": "abort"})
            client.event_of("session.reconnecting")
            client.result("send_text", text="In the gap")
            client.result("queue_context", text="It is nine.", role="user")
        made.until_kept(lambda s: len(s.unsent) == 2)
        first.stop(end)
        made.ask("faults/clear")
        with start(made).client() as client:
            assert how_it_goes_on(client)["restored"] == "handle"
            assert client.event_of("live.turn_complete")["data"]["user"] == "In the gap"
        assert made.words() == ["Before", "In the gap", "It is nine."]


@ENDS
def test_a_tool_result_without_a_connection_arrives_once(end: int) -> None:
    with house() as made:
        first = start(made)
        with first.client() as client:
            listen(client)
            client.result("connect", config={"session": {"setup": LIGHT}})
            say(client, "Before")
            made.until_kept(lambda s: s.turns == 1)
            client.result("send_text", text="call light {}")
            [call] = client.event_of("session.tool_call")["data"]["function_calls"]
            made.ask("faults", {"do": "refuse", "times": 0})
            made.ask("faults", {"do": "abort"})
            client.event_of("session.reconnecting")
            answer = {"id": call["id"], "name": "light", "response": {"is": "on, once"}}
            client.result("send_tool_response", responses=[answer])
        made.until_kept(lambda s: any(b"on, once" in m.frame for m in s.unsent))
        first.stop(end)
        made.ask("faults/clear")
        with start(made).client() as client:
            assert how_it_goes_on(client)["restored"] == "handle"
            client.event_of("session.tool_call")  # the emulator carries out what is told again
            setup = client.result("session.config")["session"]["setup"]
            assert setup["source"] == "connect"  # what was given to connect still holds
        history = made.sessions[-1]["history"]
        told = [e for e in history if e["role"] == "user" and "on, once" in e["text"]]
        assert len(told) == 1


def test_a_daemon_that_is_killed_again_and_again_loses_nothing_it_kept() -> None:
    with house() as made:
        words = []
        for round_ in range(3):
            daemon = start(made)
            with daemon.client() as client:
                listen(client)
                words.append(f"This is round {round_}")
                say(client, words[-1])
                made.until_kept(lambda s: s.turns == len(words))
            daemon.stop(signal.SIGKILL)
        with start(made).client() as client:
            assert how_it_goes_on(client)["restored"] == "handle"
            assert client.result("session")["reconnects"] == 3
            assert [t["user"] for t in client.result("transcript")["turns"]] == words
        assert made.words() == words


# It goes on otherwise, and says so.


@pytest.mark.parametrize(
    ("scenario", "values", "key", "restored", "reason"),
    [
        ("resumption = { handle_valid_ms = 1 }\n", (), KEY, "reseeded", "was refused"),
        ("forget", (), KEY, "reseeded", "was refused"),
        ("", (), "y" * 30, "reseeded", "another key"),
        ("", ("session.model=gemini-2.0-flash-live-001",), KEY, "reseeded", "another model"),
        ("", ("resumption.policy=reseed",), KEY, "reseeded", "policy is reseed"),
        ("", ("resumption.policy=fresh",), KEY, "fresh", "policy is fresh"),
    ],
    ids=["expired", "forgotten", "key", "model", "reseed", "fresh"],
)
def test_without_its_handle_a_session_says_how_it_goes_on(
    scenario: str, values: tuple[str, ...], key: str, restored: str, reason: str
) -> None:
    rules = "" if scenario == "forget" else scenario
    with house(TIMING + rules) as made:
        first = start(made)
        with first.client() as client:
            listen(client)
            say(client, "Remember me")
            session = client.result("session")
            turns = client.result("transcript")["turns"]
        first.stop()
        if scenario == "forget":
            made.ask("faults", {"do": "forget"})
        with start(made, *values, key=key).client() as client:
            told = how_it_goes_on(client)
            assert told["restored"] == restored
            assert reason in told["reason"]
            assert client.result("transcript")["turns"] == turns  # of ours, in any case
            assert client.result("session")["session_id"] == session["session_id"]
            say(client, "Once more")
        said = [words for words in made.words() if not words.startswith("(The connection")]
        known = ["Remember me"] if restored == "reseeded" else []
        assert said == [*known, "Once more"]


# It does not.


def test_a_session_that_was_disconnected_does_not_come_back() -> None:
    with house() as made:
        first = start(made)
        with first.client() as client:
            listen(client)
            client.result("state.set", key="app:order", value="latte")
            say(client, "Hello")
            client.result("disconnect")
        first.stop()
        with start(made).client() as client:
            session = client.result("session")
            assert (session["session_id"], session["connection"]) == (None, None)
            assert client.result("state.get", key="app:order")["value"] == "latte"
            listen(client)
            say(client, "Anew")
            assert client.result("session")["turns"] == 1
            assert [t["user"] for t in client.result("transcript")["turns"]] == ["Anew"]
        assert [made.words(0), made.words(1)] == [["Hello"], ["Anew"]]


@ENDS
def test_where_nothing_is_to_be_stored_nothing_is(end: int) -> None:
    with house() as made:
        first = start(made, "resumption.store=false")
        with first.client() as client:
            listen(client)
            say(client, "Between us")
        first.stop(end)
        left = made.store.path
        left.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        left.touch(mode=0o600)  # of a time when it was kept
        with start(made, "resumption.store=false").client() as client:
            assert not left.exists()
            assert client.result("session")["session_id"] is None
            listen(client)
            say(client, "Anew")
        assert made.snapshots == []
        assert made.words() == ["Anew"]


def test_a_damaged_snapshot_is_told_and_set_aside() -> None:
    with house() as made:
        first = start(made)
        with first.client() as client:
            listen(client)
            say(client, "Hello")
        first.stop()
        [where] = made.snapshots
        where.write_bytes(where.read_bytes()[:-1])
        second = start(made)
        with second.client() as client:
            instance = client.result("daemon.hello")["instance"]
            client.result("events", topics=["session.error"], since=f"{instance}:0")
            error = client.event_of("session.error")["data"]
            assert error["data"]["name"] == "daemon.snapshot"
            assert client.result("session")["session_id"] is None
        assert where.with_name(f"{where.name}.bad").stat().st_mode & 0o777 == 0o600
