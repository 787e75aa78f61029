"""The certification without sockets: each way to be wrong is found, and told as what it is."""

import msgspec
import pytest

from livectl.certify import messages
from livectl.certify.checks import CHECKS, Outcome
from livectl.certify.conversation import Conversation
from livectl.certify.server import FIRST_S
from livectl.certify.service import Close, EndWriting, Write
from livehandle_proto.methods import Daemon, Snapshot
from support.minimal_client import MinimalClient

ALL = {check.name for check in CHECKS}


class Run:
    """A client and the conversation, joined by nothing but memory; time passes when both wait."""

    def __init__(self, client: MinimalClient, size: int = 65_536) -> None:
        self.client = client
        self.size = size
        self.now = 0.0
        self.conversation = Conversation(FIRST_S, self.now)
        self.number = 0
        self.open = False

    def to_the_end(self) -> dict[str, Outcome]:
        """Return what came of each check."""
        conversation = self.conversation
        while not conversation.over:
            if self._client_works() or self._server_works():
                continue
            if self.client.state == "closed":
                conversation.exited(self.client.exit_code, self.now)
            elif conversation.deadline is not None:
                self.now = conversation.deadline
                conversation.tick(self.now)
        if conversation.complete and self.client.state == "closed":
            conversation.exited(self.client.exit_code, self.now)
        return {outcome.check.name: outcome for outcome in conversation.results.outcomes()}

    def _client_works(self) -> bool:
        if self.client.state == "open" and not self.open:
            self.number, self.open = self.number + 1, True
            self.conversation.connected(self.number, self.now)
            self.client.opened()
        elif self.open and self.client.outbox:
            data, self.client.outbox = self.client.outbox, b""
            for at in range(0, len(data), self.size):
                self.conversation.received(self.number, data[at : at + self.size], self.now)
        elif self.open and self.client.state == "closed":
            self.open = False
            self.conversation.closed(self.number, self.now)
        else:
            return False
        return True

    def _server_works(self) -> bool:
        actions = self.conversation.actions()
        for action in actions:
            if action.connection != self.number or not self.open:
                continue
            if isinstance(action, Write):
                for at in range(0, len(action.data), self.size):
                    self.client.received(action.data[at : at + self.size])
            elif isinstance(action, Close) or self.client.wrong != "does not read an end of file":
                self._lose(action)
        return bool(actions)

    def _lose(self, action: Close | EndWriting) -> None:
        self.open = False
        self.client.lost()
        if isinstance(action, EndWriting) and not self.client.keeps_old:
            self.conversation.closed(action.connection, self.now)


def failures(wrong: str) -> dict[str, str]:
    outcomes = Run(MinimalClient(wrong)).to_the_end()
    return {name: one.got for name, one in outcomes.items() if one.verdict == "failed"}


@pytest.mark.parametrize("size", [65_536, 100_000_000, 4099])
def test_a_right_client_passes_every_check(size: int) -> None:
    outcomes = Run(MinimalClient(), size).to_the_end()
    assert {one.verdict for one in outcomes.values()} == {"passed"}
    assert outcomes.keys() == ALL


def test_what_the_service_says_is_what_the_daemon_says() -> None:
    msgspec.convert(messages.hello("c1", 65_536), Daemon)
    msgspec.convert(messages.SNAPSHOT, Snapshot)


MISSING = "still missing after 10 s"
ENDED = "the client closed the connection, still missing"

# What is wrong with the client, what the first check that fails says to it, and the checks that
# fail by it: as a rule one.
WRONG = [
    ("a batch", "no object (no batches", "framing.line ping errors.name answers.order"),
    ("latin-1", "invalid start byte", "framing.line text.unicode text.bytes loss.text"),
    ("half a line at the end", 'a line without an end: {"jsonrpc', "framing.line"),
    ("no jsonrpc", '`"jsonrpc": null` in {', "framing.request"),
    ("params by place", "`params` is no object", "framing.request"),
    ("ids are fractions", "id 1.5 in {", "ids.legal"),
    ("one id for two", "id 7 again, before", "ids.unique loss.error"),
    ("asks for the session", "session {}", "calls.known"),
    ("sends done again", "done, on connection 2 as on 1", "calls.once"),
    ("sets the phase twice", 'state.set {"key": "app:phase"', "calls.once"),
    ("sends texts twice", 'send_text "Hello, world.", a second time', "calls.once"),
    ("pings before hello", "the first call is daemon.ping", "hello.first"),
    ("no name", "no `client`", "hello.client"),
    ("no limit", "`max_line_bytes` is not given", "hello.limit loss.hello"),
    ("no ping", f"{MISSING}: daemon.ping", "ping"),
    ("the error's code for its name", "app:error is 1699", "errors.name"),
    ("no done", "`done` was not in flight", "answers.order loss.error"),
    ("waits for done", MISSING, "answers.order tools.declared events.topics"),
    ("takes answers in order", MISSING, "answers.order tools.declared events.topics"),
    ("declares no parameters", 'declarations [{"name"', "tools.declared reset.registers"),
    ("subscribes to all", 'events {"topics": ["live.*"]}', "events.topics"),
    (
        "prints deltas stripped",
        "text 'Hello,world.', and not 'Hello, world.'",
        "text.plain text.unicode text.together loss.text lag.text",
    ),
    ("ends lines as Unicode does", 'text \'a "quote"', "text.unicode"),
    ("refuses unknown fields", "text '', and not 'Known.'", "text.unknown"),
    ("dies of unknown topics", ENDED, "text.unknown"),
    ("decodes each read by itself", "'Lettre  lettre.', and", "text.bytes"),
    (
        "one line of each read",
        f"{MISSING}: send_text",
        "text.plain text.unicode text.unknown text.together text.long",
    ),
    ("reads lines of 64 KiB", "a text of 0 characters, not 900000", "text.long"),
    ("gives up at a loss", "the client ended with exit code 1", "loss.returns"),
    ("no hello again", "events on connection 2, and no daemon.hello before", "loss.hello"),
    ("no limit again", "`max_line_bytes` is not given", "loss.hello"),
    (
        "does not present its registration",
        f"{MISSING}: tools.register",
        "loss.registration reset.registers",
    ),
    ("registers anew", "the declarations, where", "loss.registration"),
    ("no since", "since None, and 'c1:", "loss.since lag.since eof.returns"),
    ("the first cursor for ever", "since 'c1:0', and", "loss.since lag.since eof.returns"),
    ("keeps the partial line", "is the half line thrown away?", "loss.registration loss.since"),
    ("forgets the text at a loss", "text 'und gef", "loss.text"),
    ("forgets the call in flight", f"{MISSING}: state.set of app:lost", "loss.error"),
    ("a name of its own", 'app:lost is "done.failed"', "loss.error"),
    ("does not tell of a lag", f"{MISSING}: state.set of app:lagged", "lag.told"),
    ("does not go on after a lag", f"{MISSING}: events", "lag.since"),
    ("closes at a lag", f"{ENDED}: events", "lag.since"),
    ("does not read an end of file", f"{MISSING}: another connection", "eof.returns"),
    ("never closes the old connection", MISSING, "eof.closes"),
    (
        "takes an unknown registration for the end",
        f"{MISSING}: tools.register {{declarations}}",
        "reset.registers eof.returns",
    ),
    ("does not tell of a reset", f"{MISSING}: state.set of app:reset", "reset.told"),
    ("keeps the text at a reset", "text 'This is forgotten. A fresh", "reset.text"),
    ("results are text", '"result": "{', "tools.result"),
    ("an error is a result", '"result": {"error": "too large"}', "tools.error"),
    ("answers calls twice", "tools.respond to c1: it was answered before", "tools.once"),
    ("dies of a late answer", ENDED, "tools.cancelled"),
    ("keeps the last text", ENDED, "end.text end.disconnect"),
    ("no disconnect", f"{ENDED}: disconnect", "end.disconnect"),
    ("never closes", f"{MISSING}: the end of file", "end.closes"),
    ("exits with 3", "exit code 3", "end.exit"),
]


@pytest.mark.parametrize(("wrong", "words", "checks"), WRONG)
def test_a_wrong_client_is_told_what_it_does_wrong(wrong: str, words: str, checks: str) -> None:
    found = failures(wrong)
    assert found.keys() == set(checks.split()), found
    assert words in found[checks.split()[0]]


def test_every_check_is_failed_by_some_client() -> None:
    failed = {check for _, _, checks in WRONG for check in checks.split()}
    assert failed == ALL


def test_a_client_that_hangs_is_told_where_and_not_waited_for_again_and_again() -> None:
    run = Run(MinimalClient("takes answers in order"))
    outcomes = run.to_the_end()
    assert next(name for name, one in outcomes.items() if one.verdict == "failed") == (
        "answers.order"
    )
    assert outcomes["text.plain"].verdict == outcomes["end.exit"].verdict == "not reached"
    assert run.now <= 30.0


def test_a_client_that_never_comes_is_waited_for_two_minutes_at_most() -> None:
    conversation = Conversation(FIRST_S, 5.0)
    assert conversation.deadline == 5.0 + FIRST_S
    over = []
    for now in (5.0 + FIRST_S - 0.1, 5.0 + FIRST_S):
        conversation.tick(now)
        over.append(conversation.over)
    assert over == [False, True]
    outcomes = list(conversation.results.outcomes())
    assert [one.check.name for one in outcomes if one.verdict == "failed"] == ["hello.first"]
    assert {one.verdict for one in outcomes} == {"failed", "not reached"}


def test_without_a_command_the_first_connection_may_come_at_any_time() -> None:
    assert Conversation(None, 5.0).deadline is None


def test_a_second_connection_beside_the_first_is_told() -> None:
    conversation = Conversation(None, 0.0)
    conversation.connected(1, 0.0)
    conversation.connected(2, 0.0)
    (failed,) = [one for one in conversation.results.outcomes() if one.verdict == "failed"]
    assert failed.got == "another connection, while the first was open"
