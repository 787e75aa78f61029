"""What all connections of an emulator share, and the journal of all that happens."""

import json

import pytest

from livehandle_emulator.scenario import Scenario
from livehandle_emulator.service import Service
from livehandle_proto.faults import Fault
from support.live_session import TIMING, Client, Json, closing_of, connected, kinds


class Book:
    """A journal that can be asked."""

    def __init__(self) -> None:
        self.entries: list[dict[str, object]] = []
        self.service = Service(Scenario(timing=TIMING), self.entries.append, name="s")

    def whats(self) -> list[object]:
        return [entry["what"] for entry in self.entries]

    def all(self, what: str) -> list[dict[str, object]]:
        return [entry for entry in self.entries if entry["what"] == what]


def test_connections_are_numbered() -> None:
    service = Service()
    assert [service.next_connection() for _ in range(3)] == [1, 2, 3]


def test_sessions_of_two_services_have_different_ids() -> None:
    ids = {str(Service().name) for _ in range(2)}
    assert len(ids) == 2


def test_the_scenario_brings_the_faults_and_a_fault_forgets_the_handles() -> None:
    fault = Fault(do="close", at="turn_complete")
    service = Service(Scenario(fault=[fault]), name="s")
    assert service.faults.waiting() == [fault]
    client = connected(Client(service=service), sessionResumption={})
    came = client.typed("a") + client.settle()
    update = came[-1]["sessionResumptionUpdate"]
    assert isinstance(update, dict)
    client.session.gone(client.now)
    service.faults.add(Fault(do="forget"))
    closing = closing_of(
        Client(service=service).set_up(sessionResumption={"handle": update["newHandle"]})
    )
    assert closing == (1008, "BidiGenerateContent session not found")


def test_sessions_are_told_with_all_that_is_remembered() -> None:
    service = Service(Scenario(timing=TIMING), name="s")
    client = connected(Client(service=service), sessionResumption={})
    client.typed("hello")
    client.settle()
    Client(service=service).wait(1.0)  # has no session before its setup
    (session,) = service.sessions()
    assert json.loads(json.dumps(session)) == {
        "session": "s1",
        "model": "gemini-live-2.5-flash-preview",
        "connections": [1],
        "open": True,
        "handles": 1,
        "history": [
            {"role": "user", "text": "hello", "kind": "typed"},
            {"role": "model", "text": "You typed: hello", "kind": "reply"},
        ],
    }


def test_the_journal_tells_everything_in_order() -> None:
    book = Book()
    client = connected(Client(service=book.service), sessionResumption={})
    client.typed("hi")
    client.settle()
    client.session.gone(client.now)
    whats = book.whats()
    assert whats[:5] == ["open", "in", "setup", "out", "in"]
    assert [w for w in whats if w not in {"out", "in"}] == [
        "open",
        "setup",
        "history",
        "history",
        "handle",
        "close",
    ]
    assert {entry["connection"] for entry in book.entries} == {1}
    assert [entry["session"] for entry in book.entries][:3] == [None, None, "s1"]
    times = [entry["t"] for entry in book.entries]
    assert times == sorted(times, key=lambda t: float(str(t)))
    assert book.all("history")[0] | {"t": 0} == {
        "t": 0,
        "connection": 1,
        "session": "s1",
        "what": "history",
        "role": "user",
        "text": "hi",
        "kind": "typed",
    }
    (close,) = book.all("close")
    assert close["by"] == "client"


def test_the_journal_tells_what_a_resume_found_and_neither_key_nor_handle() -> None:
    book = Book()
    client = connected(
        Client(service=book.service, key="secret-key"),
        sessionResumption={},
        labels={"note": "secret-label"},
    )
    came = client.typed("hi") + client.settle()
    update = came[-1]["sessionResumptionUpdate"]
    assert isinstance(update, dict)
    client.session.gone(client.now)
    second = Client(service=book.service, key="secret-key", now=client.now)
    connected(second, sessionResumption={"handle": update["newHandle"]})
    (resumed,) = book.all("resume")
    (issued,) = book.all("handle")
    assert (resumed["connection"], resumed["session"]) == (2, "s1")
    assert (resumed["handle"], resumed["entries"]) == (issued["handle"], issued["entries"])
    written = json.dumps(book.entries)
    assert "secret" not in written
    assert str(update["newHandle"]) not in written


def test_the_journal_tells_how_the_service_closed() -> None:
    book = Book()
    client = connected(Client(service=book.service))
    client.send({"bogus": 1})
    client.session.gone(client.now)
    (close,) = book.all("close")
    assert (close["by"], close["code"]) == ("service", 1007)


@pytest.mark.parametrize("book", [None, Book()])
def test_a_journal_changes_nothing(book: Book | None) -> None:
    client = Client(service=book.service) if book else Client()
    client = connected(client)
    assert kinds(client.typed("a") + client.settle()) == [
        "audio",
        "generationComplete",
        "turnComplete",
    ]


def test_the_whole_journal_is_json() -> None:
    book = Book()
    tools: list[Json] = [{"functionDeclarations": [{"name": "f"}]}]
    client = connected(Client(service=book.service), tools=tools)
    client.typed('call f {"x": [1]}')
    client.settle()
    assert json.loads(json.dumps(book.entries)) == book.entries
