"""The log of a real daemon: its forms, and what is never in it."""

import json
import sys

import anyio
import pytest

from support.daemon import DaemonProcess, private_directory, running_daemon
from support.service import KEY, TURN_COMPLETE, Call, Json, running, text
from support.wire import WireClient

HANDLE = "marked-handle-0123456789abcdef"
WORDS = "marked words that somebody said"
NUMBER = "4111-2222"

AS_JOURNAL = (
    "sh",
    "-c",
    'export JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2); exec "$@"',
    "sh",
    *(sys.executable, "-m", "livehandled"),
)


def until(client: WireClient, topic: str) -> Json:
    """Return the data of the next event of a topic."""
    while True:
        params = client.read().get("params", {})
        if params.get("topic") == topic:
            data: Json = params["data"]
            return data


@pytest.mark.parametrize("form", ["text", "json"])
def test_under_systemd_each_line_has_its_priority_and_one_conversation_greps_by_its_id(
    form: str,
) -> None:
    with private_directory() as directory:
        flags = ("--emulator", "--log-format", form)
        daemon = DaemonProcess(directory / "s", *flags, command=AS_JOURNAL)
        try:
            daemon.wait_for("listening on")
            with daemon.client() as client:
                client.result("daemon.hello", client="kiosk")
                client.result("events")
                client.result("send_text", text="hi")
                until(client, "live.turn_complete")
                session = client.result("session")["session_id"]
            assert daemon.stop() == 0
        finally:
            daemon.close()
    assert all(line.startswith("<6>") for line in daemon.log)
    of_session = [line for line in daemon.log if session in line]
    told = ["session opened", "turn complete", "session closed"]
    assert [any(words in line for line in of_session) for words in told] == [True] * 3
    if form == "json":
        lines = [json.loads(line.removeprefix("<6>")) for line in daemon.log]
        assert [one["client"] for one in lines if one["message"] == "client gone"] == ["c1"]
    else:
        assert f"turn complete session={session} turn=0 gen=1 " in "".join(of_session)


async def quoting(call: Call) -> None:
    """Say back whatever was said, and break off with every secret there is."""
    await call.set_up()
    update: Json = {"newHandle": HANDLE, "resumable": True}
    await call.say({"sessionResumptionUpdate": update})
    await call.hear()
    await call.say({"serverContent": {"inputTranscription": {"text": WORDS}}})
    await call.say(text(WORDS, f" {NUMBER[:6]}", f"{NUMBER[6:]} "))
    await call.say(TURN_COMPLETE)
    await call.hear()
    await call.websocket.close(1011, f"{KEY} {HANDLE} {NUMBER}")


def converse(daemon: DaemonProcess) -> None:
    with daemon.client() as client:
        client.result("events")
        client.result("send_text", text=WORDS)
        until(client, "live.turn_complete")
        client.result("send_text", text=WORDS)
        until(client, "live.reconnecting")
        until(client, "live.resumed")
    assert daemon.stop() == 0


@pytest.mark.anyio
@pytest.mark.parametrize("transcripts", [False, True])
async def test_no_line_at_any_level_holds_a_secret_or_unasked_what_was_said(
    transcripts: bool,
) -> None:
    values = [
        "log.level=debug",
        "session.modality=text",
        'redaction.patterns={"number": "[0-9]{4}-[0-9]{4}"}',
        f"log.transcripts={str(transcripts).lower()}",
    ]
    async with running(quoting) as service:
        values.append(f"session.base_url={service.url}")
        flags = [word for value in values for word in ("--set", value)]
        with running_daemon(*flags, environ={"GEMINI_API_KEY": KEY}) as daemon:
            await anyio.to_thread.run_sync(converse, daemon)
    written = "".join(daemon.log)
    assert "code=1011" in written
    for mark in (KEY, HANDLE, NUMBER, KEY[:12], HANDLE[:14]):
        assert mark not in written
    said = [line for line in daemon.log if WORDS in line]
    assert bool(said) == transcripts
    assert all("what was said" in line for line in said)
    if transcripts:
        assert f'model="{WORDS} [redacted] "' in said[0]
