"""LiveHandle: everything a client can do with the session, without knowing of any protocol.

Every connection to the daemon is a clone of the one handle (A9): all share its session, voice
activity detector, reactor, state, transcript and telemetry. A program may as well hold a handle
itself, without a daemon: `async with LiveHandle.open({"session": {…}}) as live`.
"""

import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import msgspec
from anyio.abc import TaskGroup

from livehandle_proto import topics as t
from livehandle_proto import transcripts
from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandle_proto.states import StateChange
from livehandle_proto.topics import RAW_STREAM, SEMANTIC_STREAM, match
from livehandled.alarm import Alarm
from livehandled.chronicle import Chronicle
from livehandled.config.loader import Loaded, Shown, effective, from_tree, with_overrides
from livehandled.context import PendingContext
from livehandled.extraction.extractor import Extraction
from livehandled.extraction.llm_kind import ModelClient
from livehandled.gemini.content import Content, text_content
from livehandled.hub import Hub
from livehandled.keeper import Keeper
from livehandled.listening import Events
from livehandled.metrics.counts import since
from livehandled.recording.recorder import Recorder
from livehandled.redaction import Redaction
from livehandled.session import opener, payload
from livehandled.session.router import Router
from livehandled.session.session import Session
from livehandled.session.sessions import Sessions
from livehandled.session.underlying import UnderlyingSession
from livehandled.session.voice import Voice, shown
from livehandled.session.writer import Sent, Writer, not_connected
from livehandled.signals import Signals
from livehandled.state import State
from livehandled.store import Store
from livehandled.telemetry import SavedTelemetry, Telemetry
from livehandled.tools.tools import Tools
from livehandled.transcript import KEPT_TURNS, Transcript
from livehandled.voice.reactor import DEFAULT_RULES, Rule, VoiceState
from livehandled.voice.stall import StallDetector

_LEAVE_S = 2.0
"""The longest that leaving a handle waits for its session to end (A11)."""


class LiveHandle:
    """The handle to a live session: an async context manager that owns the session's tasks."""

    def __init__(
        self,
        loaded: Loaded,
        *,
        hub: Hub,
        environ: Mapping[str, str],
        emulator_url: str = "",
        store: Store | None = None,
        recordings: Path | None = None,
        rules: Sequence[Rule] = DEFAULT_RULES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._opener = opener.Opener(loaded, environ=environ, emulator_url=emulator_url)
        self._hub = hub
        self._clock = clock
        self._telemetry = Telemetry(started=clock())
        self.redaction = Redaction(loaded.config.redaction.patterns, loaded.config.redaction.keys)
        """What is masked in all that the handle publishes, and is to be in what is told of it."""
        self._state = State(now_ms=hub.now_ms, on_change=self._state_changed)
        self._transcript = Transcript(redaction=self.redaction)
        self._context = PendingContext()
        self._models = ModelClient(lambda: self._opener.service(self._sessions.loaded))
        self._extraction = Extraction(
            self._state,
            self._transcript,
            publish=hub.publish,
            start=lambda task, run: self._sessions.start(task, run),
            ask_model=self._models,
            redaction=self.redaction,
        )
        self._signals = Signals(self._state, clock)
        self._router = Router(
            hub,
            self._telemetry,
            transcript=self._transcript,
            signals=self._signals,
            extraction=self._extraction,
            clock=clock,
            redaction=self.redaction,
        )
        self._alarm = Alarm(clock=clock, deadline=self._deadline, due=self._due)
        self._stall = StallDetector(self._stall_s, self._alarm.look)
        self._router.stall = self._stall
        self._sessions = Sessions(
            self._opener,
            context=self._context,
            router=self._router,
            extraction=self._extraction,
            rules=rules,
            transcript=self._transcript,
            clock=clock,
            now_ms=hub.now_ms,
            look=self._alarm.look,
        )
        self._writer = Writer(self._sessions, self._router, self._context)
        self._session = UnderlyingSession(self._sessions, self._router)
        self._tools = Tools(
            self._sessions,
            lambda: self._sessions.loaded.config.tools,
            answer=self._session.send_tool_response,
            clock=clock,
            look=self._alarm.look,
        )
        self._router.tools = self._tools
        self._keeper: Keeper | None = None
        if store is not None:
            self._keeper = Keeper(
                store,
                sessions=self._sessions,
                state=self._state,
                signals=self._signals,
                transcript=self._transcript,
                telemetry=self._telemetry,
                context=self._context,
                hub=hub,
                tell=self._router.tell,
                redaction=self.redaction,
            )
        self._recorder = Recorder(
            loaded.config.recording,
            default=recordings,
            wiretap=self._sessions.wiretap,
            router=self._router,
            publish=hub.publish,
            clock=clock,
            now_ms=hub.now_ms,
            redaction=self.redaction,
        )
        self._report_at: float | None = None
        Chronicle(
            hub,
            session=lambda: self._sessions.current,
            dropped=lambda: self._sessions.outbox.dropped,
            clock=clock,
            transcripts=loaded.config.log.transcripts,
        )

    @classmethod
    def open(
        cls,
        config: Mapping[str, object] | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        rules: Sequence[Rule] = DEFAULT_RULES,
    ) -> Self:
        """Return a handle of one's own, to be entered with `async with`.

        `config` is the tree of the configuration file, by section and key; it stands over the
        environment and the file. Raises `config.invalid`.
        """
        loaded = from_tree(config or {}, environ)
        limits = loaded.config.limits
        hub = Hub(ring_events=limits.ring_events, ring_bytes=limits.ring_bytes, wall_ms=_wall_ms)
        return cls(loaded, hub=hub, environ=environ, rules=rules)

    async def __aenter__(self) -> Self:
        # A refusal comes before there is a task group to leave again.
        base = self._opener.base
        opens = base.config.session.connect == "start"
        if opens:
            self._opener.plan(base)
        self._extraction.configure(base.config.extraction.extractors)
        tasks = await anyio.create_task_group().__aenter__()
        self._sessions.tasks = tasks
        tasks.start_soon(self._alarm.run)
        self._set_report(self._clock())
        goes_on = False
        if self._keeper is not None:
            goes_on = self._keeper.take_up(base)
            tasks.start_soon(self._keeper.run)
        if opens and not goes_on:
            self._sessions.open(base, patient=True)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        tasks = self._sessions.tasks
        assert tasks is not None
        self._sessions.leave()
        try:
            with anyio.move_on_after(_LEAVE_S, shield=True):
                await self._leave()
        finally:
            tasks.cancel_scope.cancel()
            self._sessions.tasks = None
            self._hub.close()
            suppressed = await self._left(tasks, kind, error, traceback)
        return suppressed

    async def _left(
        self,
        tasks: TaskGroup,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        try:
            return await tasks.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            if group.exceptions == (error,):
                return False  # the caller's own error, and no other: it goes on as it is
            raise

    async def _leave(self) -> None:
        session = self._sessions.current
        try:
            if session is not None:
                if self._keeper is None:  # else what waits is kept, and goes to the next daemon
                    self._writer.flush(session)
                session.stop("stopped")
                await session.done()
            await self._recorder.close()
            self._extraction.close()
            await self._models.aclose()
        finally:
            if self._keeper is not None:
                self._keeper.close()

    @property
    def alive(self) -> bool:
        """Whether its tasks run: no longer once one has failed, and all are being ended for it."""
        tasks = self._sessions.tasks
        return tasks is not None and not tasks.cancel_scope.cancel_called

    # The session.

    def configure(self, loaded: Loaded) -> None:
        """Take another configuration: for the next session, and at once for what has no session."""
        self._sessions.configure(loaded)
        self._recorder.settings = loaded.config.recording
        self._set_report(self._clock())
        self._alarm.look()

    def connect(self, config: Mapping[str, object] | None = None) -> Awaitable[v.Session]:
        """Open a session with the handle's configuration and these changes to it.

        Await the result to have it set up; it raises why it could not be. Raises
        `session.already_connected`, `config.invalid` or `auth.missing_key` at once.

        Without changes, a session that waits for its next attempt to connect makes it now, and
        one that ended for want of credentials goes on.
        """
        session = self._sessions.current
        if session is not None and session.open and session.state == "reconnecting" and not config:
            session.hurry()
            return self._connected(session)
        if session is not None and session.ended is None:
            raise LiveHandleError(
                "session.already_connected",
                "A session is open: use it, or call disconnect first."
                if session.open
                else "The last session is still ending: call connect once disconnect has answered.",
            )
        if not config:
            return self._connected(self._sessions.open_or_go_on())
        return self._connected(self._sessions.open(with_overrides(self._opener.base, config)))

    def disconnect(self) -> Awaitable[None]:
        """End the session, what was sent before first; no error where there is none (A12).

        Context that waits is sent, a prompt is not (A17). Sends do not open a session again
        until `connect`.
        """
        return self._writer.disconnect()

    def forget(self) -> None:
        """Forget the conversation and the state, in memory and on disk; the totals go on.

        Extractors, tools and recordings stay. Raises `session.already_connected` while a session
        lasts.
        """
        self._sessions.forget()
        self._state.erase()
        self._signals.forget()
        self._transcript.clear()
        self._context.clear()
        self._hub.forget()
        if self._keeper is not None:
            self._keeper.forget()

    def done(self, timeout_ms: int | None = None) -> Awaitable[v.Ended]:
        """Await the end of the session there is now, and how it ended (Z1: every waiter is told).

        Where it has ended already that is told at once. Raises `session.not_connected` where
        there was none; the wait raises `session.timeout`.
        """
        session = self._sessions.current
        if session is None:
            raise LiveHandleError(
                "session.not_connected", "There was no session yet: call connect first."
            )
        return self._done(session, timeout_ms)

    def phase(self) -> v.Phase:
        """Return the session's phase; `disconnected` where there is none (A22)."""
        session = self._sessions.current
        return "disconnected" if session is None else session.conversation.phase

    def session(self) -> UnderlyingSession:
        """Return the underlying session: what it is, and its sends without deferred context."""
        return self._session

    def writer(self) -> Writer:
        """Return the user-facing writer: context that waits goes before what it sends (A21)."""
        return self._writer

    def writer_state(self) -> v.Writer:
        """Return the kind of the user-facing writer, and what waits in it."""
        return v.Writer(
            kind="deferred" if self._defers() else "direct",
            pending_context=len(self._context.turns),
            prompt_armed=self._context.prompt_armed,
        )

    def secrets(self) -> tuple[str, ...]:
        """Return every key, token, password and resumption handle that no text may show."""
        session = self._sessions.current
        known = self._opener.secrets()
        if session is None:
            return known
        return (*known, *session.plan.secrets, *session.resumption.handles.known)

    def config(self) -> Shown:
        """Return each key's value and source, of the session or of the next; secrets masked."""
        return effective(self._sessions.loaded)

    # What is sent.

    def send_text(self, text: str) -> Sent:
        """Send one typed turn, which the model answers (B1). Raises `text.empty`."""
        return self._writer.send_text(text)

    def send_audio(self, data: bytes | str) -> Sent:
        """Send microphone audio: 16-bit little-endian mono PCM at 16 kHz, or its base64 (B5, B6).

        The voice activity detector hears it. Raises `audio.bad_base64`, `audio.empty` or
        `audio.misaligned`.
        """
        pcm, text = payload.pcm(data)
        session = self._sessions.opened()
        voice = self._voice()
        if voice.microphone is None:
            voice.plug_in(opener.microphone(self._sessions.loaded.config, session.plan))
        pending = voice.hear(text, pcm)
        self._router.audio_sent(pcm)
        return Sent(session, pending)

    def send_video(self, data: bytes | str) -> Sent:
        """Send one picture: a JPEG, or its base64 (B4). Raises `video.not_jpeg`."""
        return self._writer.send_video(data)

    def send_tool_response(self, responses: Sequence[ToolAnswer]) -> Sent:
        """Answer calls of the model, all in one frame (B18, B19). Never opens a session.

        Raises `tools.unknown_call` for an id the model is not waiting for.
        """
        return self._session.send_tool_response(responses)

    def update_instruction(self, instruction: str) -> Sent:
        """Give the model another instruction, in the way it takes one (B17, wire 4.6).

        Raises `text.empty`, and `upstream.unsupported` for a model that would close the session.
        """
        return self._session.update_instruction(instruction)

    def queue_context(
        self,
        turns: Sequence[Content | Mapping[str, object]] = (),
        *,
        text: str | None = None,
        role: str = "model",
        prompt: bool = False,
    ) -> Sent:
        """Tell the model more: turns, and a text by `role`; with `prompt`, have it speak after.

        Sent at once where `context.delivery` is immediate (R6). Deferred, the turns go before
        the next audio, text or picture, and the prompt once playback has drained or the user's
        speech has ended (E). Raises `wire.invalid_params`, `text.empty`, `session.queue_full`.
        """
        contents = payload.contents(turns)
        if text is not None:
            payload.words(text, "text")
            contents += payload.contents([text_content(text, role)])
        if not contents and not prompt:
            raise LiveHandleError(
                "wire.invalid_params",
                "There is nothing to queue: give turns or text, or set prompt.",
                param="turns",
                expected="turns, text or prompt",
            )
        if not self._defers():
            return self._send_context(contents, prompt=prompt)
        if not self._sessions.may_send():
            raise not_connected()
        self._context.extend(contents)
        self._context.prompt_armed |= prompt
        self._sessions.on_send()  # it must not be lost either
        return Sent()  # nothing is to be waited for

    def pending_context(self) -> PendingContext:
        """Return the context that waits."""
        return self._context

    # The voice.

    def playback_drained(self) -> Sent:
        """Report that everything of the model has been played (C3, C4). Opens no session."""
        return self._voiced(lambda voice: voice.playback_drained(), opens=False)

    def flush_deferred_prompt(self) -> Sent:
        """Do what `playback_drained` does: never prompt while the user speaks (C14)."""
        return self.playback_drained()

    def user_speech_started(self) -> Sent:
        """Report that the user began to speak (C5)."""
        return self._voiced(lambda voice: voice.user_speech_started(), opens=True)

    def user_speech_ended(self) -> Sent:
        """Report that the user stopped speaking (C6, C7). Opens no session."""
        return self._voiced(lambda voice: voice.user_speech_ended(), opens=False)

    def voice_state(self) -> v.VoiceState:
        """Return who speaks, and what waits for that (C1)."""
        voice = self._sessions.voice
        return shown(VoiceState(), 0.0) if voice is None else voice.snapshot()

    def input_vad_state(self) -> v.InputVadState:
        """Return the voice activity detector's state (F2)."""
        voice = self._sessions.voice
        microphone = None if voice is None else voice.microphone
        return opener.vad_state(self._sessions.loaded.config, microphone, self._clock())

    # What is kept.

    def transcript(self, turns: int | None = None) -> transcripts.Transcript:
        """Return the last finished turns, all that are kept for None, and the open one (N)."""
        kept = self._transcript.window(KEPT_TURNS if turns is None else turns)
        return transcripts.Transcript(turns=kept, current=self._transcript.current)

    def state(self) -> State:
        """Return the state that all clients share (M)."""
        return self._state

    def telemetry(self) -> dict[str, object]:
        """Return all metrics (H1)."""
        return self._telemetry.snapshot(self._clock(), media_dropped=self._sessions.outbox.dropped)

    def counted(self) -> SavedTelemetry:
        """Return the totals of this process alone, without those of an earlier run."""
        totals = self._telemetry.export(media_dropped=self._sessions.outbox.dropped)
        return since(totals, self._telemetry.restored)

    def extracted(self, name: str) -> object:
        """Return the latest result of an extractor, None where there is none (A23)."""
        return self._extraction.latest(name)

    def extractors(self) -> Extraction:
        """Return the extractors: to register, unregister and list (Q)."""
        return self._extraction

    def tools(self) -> Tools:
        """Return the functions that clients carry out: to register, list and answer."""
        return self._tools

    def recorder(self) -> Recorder:
        """Return what records the conversation: to start, to stop and to list."""
        return self._recorder

    def snapshot_failure(self) -> str | None:
        """Return why the session cannot be kept for a restart just now; None where it can."""
        return None if self._keeper is None else self._keeper.failure

    def open_calls(self) -> list[v.FunctionCall]:
        """Return the calls the model waits for."""
        session = self._sessions.current
        return [] if session is None else list(session.conversation.open_calls.values())

    # What happens.

    def events(self, *topics: str) -> Events:
        """Return the semantic events from now on, or those of the topics named.

        Raises `events.unknown_topic`.
        """
        return Events(self._hub, match(topics) if topics else SEMANTIC_STREAM)

    def subscribe(self, *topics: str) -> Events:
        """Return the raw session events from now on, or those of the topics named.

        Raises `events.unknown_topic`.
        """
        return Events(self._hub, match(topics) if topics else RAW_STREAM)

    # Within.

    def _voiced(self, act: Callable[[Voice], Awaitable[None] | None], *, opens: bool) -> Sent:
        session = self._sessions.opened() if opens else self._sessions.existing()
        return Sent(session, act(self._voice()))

    def _voice(self) -> Voice:
        voice = self._sessions.voice
        assert voice is not None  # every session has one
        return voice

    def _send_context(self, contents: Sequence[Content], *, prompt: bool) -> Sent:
        """Send turns, then a prompt. Where they find no room nothing of them is kept."""
        turns = PendingContext()
        turns.extend(contents)
        turns.prompt_armed = prompt
        session = self._sessions.opened()
        self._context.flush(session.put)  # what a deferred session left goes first
        turns.prompt(session.put)
        if prompt:
            self._router.text_sent()  # what the model says next answers the prompt
        return Sent(session)

    def _defers(self) -> bool:
        return self._sessions.loaded.config.context.delivery == "deferred"

    async def _done(self, session: Session, timeout_ms: int | None) -> v.Ended:
        try:
            with anyio.fail_after(None if timeout_ms is None else timeout_ms / 1000):
                return await session.done()
        except TimeoutError as error:
            raise LiveHandleError(
                "session.timeout",
                f"The session had not ended after {timeout_ms} ms: wait longer, or call "
                "disconnect.",
            ) from error

    async def _connected(self, session: Session) -> v.Session:
        await session.settled()
        return self._session.describe()

    def _state_changed(self, change: StateChange) -> None:
        if not change.removed and self.redaction.hides_keys:
            shown = self.redaction.state(change.key, change.value)
            change = msgspec.structs.replace(change, value=shown)
        self._hub.publish("state.changed", change, key=change.key)

    def _deadline(self) -> float | None:
        session, voice = self._sessions.current, self._sessions.voice
        waits = [self._report_at, self._tools.deadline, self._stall.deadline]
        if session is not None and session.open and voice is not None:
            waits += [voice.deadline, session.deadline]
        return min((at for at in waits if at is not None), default=None)

    def _due(self, now: float) -> None:
        session, voice = self._sessions.current, self._sessions.voice
        if session is not None and session.open and voice is not None:
            voice.due(now)
            session.due(now)
        if (silent_ms := self._stall.due(now)) is not None:
            self._telemetry.stalls += 1
            self._hub.publish("live.stalled", t.Stalled(silent_ms=silent_ms))
        if self._tools.deadline is not None and now >= self._tools.deadline:
            self._tools.due(now)
        if self._report_at is not None and now >= self._report_at:
            self._hub.publish("live.telemetry", t.Telemetry(telemetry=self.telemetry()))
            self._set_report(now)

    def _stall_s(self) -> float:
        return self._sessions.loaded.config.voice.stall_ms / 1000

    def _set_report(self, now: float) -> None:
        interval_ms = self._opener.base.config.metrics.interval_ms
        self._report_at = now + interval_ms / 1000 if interval_ms else None


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
