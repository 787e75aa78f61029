"""LiveHandle: everything a client can do with the session, without knowing of any protocol.

Every connection to the daemon is a clone of the one handle (A9): all share its session, voice
activity detector and telemetry.
"""

import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
import pybase64
from anyio.abc import TaskGroup

from livehandle_proto import values as v
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.methods import ToolAnswer
from livehandled.config.loader import Loaded, Shown, effective, with_overrides
from livehandled.gemini import frames
from livehandled.gemini.auth import credentials
from livehandled.gemini.endpoints import endpoint
from livehandled.gemini.opening import setup_message
from livehandled.hub import Hub
from livehandled.session.connection import Plan
from livehandled.session.conversation import call_key
from livehandled.session.outbox import Outbox
from livehandled.session.router import Router
from livehandled.session.supervisor import Session
from livehandled.telemetry import Telemetry

if TYPE_CHECKING:
    from livehandled.voice.vad import Edge, EnergyVad

_JPEG_START = b"\xff\xd8\xff"


class Sent:
    """What a send returns: what was sent is queued, in order, when the call returns.

    Await it to know that the session took it, which matters for the send that opens the
    session: it raises why the session could not be set up.
    """

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def done(self) -> bool:
        """Whether there is nothing to wait for."""
        return self._session.ready

    def __await__(self) -> Generator[object, object, None]:
        if not self.done:
            yield from self._session.settled().__await__()


class LiveHandle:
    """The handle to a live session: an async context manager that owns the session's task."""

    def __init__(
        self,
        loaded: Loaded,
        *,
        hub: Hub,
        environ: Mapping[str, str],
        emulator_url: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = self._loaded = loaded
        self._hub = hub
        self._environ = environ
        self._emulator_url = emulator_url
        self._clock = clock
        self._telemetry = Telemetry(started=clock())
        self._router = Router(hub, self._telemetry)
        limits = loaded.config.limits
        self._outbox = Outbox(limit=limits.outbox_frames, media_s=limits.outbox_media_ms / 1000)
        self._session: Session | None = None
        self._opens_on_use = loaded.config.session.connect != "manual"
        self._vad: EnergyVad | None = None
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        # A refusal comes before there is a task group to leave again.
        at_start = self._base.config.session.connect == "start"
        plan = self._plan(self._base) if at_start else None
        self._tasks = await anyio.create_task_group().__aenter__()
        if plan is not None:
            self._open(self._base, plan)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        assert self._tasks is not None
        if self._session is not None:
            self._session.stop("stopped")
        return await self._tasks.__aexit__(kind, error, traceback)

    def connect(self, config: Mapping[str, object]) -> Awaitable[v.Session]:
        """Open a session with the daemon's configuration and these changes to it.

        Await the result to have it set up; it raises why it could not be. Raises
        `session.already_connected`, `config.invalid` or `auth.missing_key` at once.
        """
        if self._session is not None and self._session.ended is None:
            raise LiveHandleError(
                "session.already_connected",
                "A session is open: use it, or call disconnect first."
                if self._session.open
                else "The last session is still ending: call connect once disconnect has answered.",
            )
        loaded = with_overrides(self._base, config)
        return self._connected(self._open(loaded, self._plan(loaded)))

    def disconnect(self) -> Awaitable[None]:
        """End the session, what was sent before first; no error where there is none (A12).

        Sends do not open a session again until `connect`.
        """
        self._opens_on_use = False
        session = self._session
        if session is not None:
            session.stop("disconnected")
        return self._disconnected(session)

    async def done(self) -> v.Ended:
        """Wait until the session has ended, and return how.

        Where the last one has ended already that is told at once. Raises
        `session.not_connected` where there was none.
        """
        if self._session is None:
            raise LiveHandleError(
                "session.not_connected", "There was no session yet: call connect first."
            )
        return await self._session.done()

    def phase(self) -> v.Phase:
        """Return the session's phase; `disconnected` where there is none (A22)."""
        return "disconnected" if self._session is None else self._session.conversation.phase

    def session(self) -> v.Session:
        """Return the session, or what would be one."""
        config = self._loaded.config.session
        if self._session is not None:
            return self._session.describe(backend=config.backend, model=config.model)
        return v.Session(
            session_id=None,
            phase="disconnected",
            backend=config.backend,
            model=config.model,
            connected_ms=None,
            connection=None,
            resumable=False,
            reconnects=0,
            current_turn=None,
            turns=0,
            last_close=None,
        )

    def config(self) -> Shown:
        """Return each key's value and source, of the session or of the next; secrets masked."""
        return effective(self._loaded)

    def telemetry(self) -> dict[str, object]:
        """Return all counters."""
        return self._telemetry.snapshot(self._clock(), media_dropped=self._outbox.dropped)

    def send_text(self, text: str) -> Sent:
        """Send one typed turn, which the model answers (B1). Raises `text.empty`."""
        if not text.strip():
            raise LiveHandleError("text.empty", "The text is empty: send words.", param="text")
        session = self._session_for_a_send()
        self._say(session, text)
        return Sent(session)

    def send_audio(self, data: str) -> Sent:
        """Send microphone audio: base64 of 16-bit little-endian mono PCM at 16 kHz (B5).

        It is decoded for the voice activity detector alone. Raises `audio.bad_base64`,
        `audio.empty` or `audio.misaligned`.
        """
        pcm = _pcm(data)
        session = self._session_for_a_send()
        if self._hears():
            for edge in self._detector().push(pcm):
                self._hear(session, edge)
        session.put(frames.audio(data), media=True)
        self._telemetry.audio_in(len(pcm))
        return Sent(session)

    def send_video(self, data: str) -> Sent:
        """Send one picture: base64 of a JPEG (B4). Raises `video.not_jpeg`."""
        if not _decoded(data, "video.not_jpeg", "a JPEG").startswith(_JPEG_START):
            raise LiveHandleError(
                "video.not_jpeg",
                "The data is not a JPEG picture: convert the picture first.",
                param="data",
                expected="base64 of a JPEG",
            )
        session = self._session_for_a_send()
        session.put(frames.video(data), media=True)
        self._telemetry.video_frames_in += 1
        return Sent(session)

    def send_tool_response(self, responses: Sequence[ToolAnswer]) -> Sent:
        """Answer calls of the model, all in one frame (B18, B19). Never opens a session.

        Raises `tools.unknown_call` for an id the model is not waiting for.
        """
        session = self._session
        if session is None or not session.open:
            raise _not_connected()
        finished: set[str] = set()
        for response in responses:
            key = call_key(response.id, response.name)
            if key in finished or key not in session.conversation.open_calls:
                raise LiveHandleError(
                    "tools.unknown_call",
                    f"No call {key[:80]!r} is open: answer a call once, by the id of its "
                    "session.tool_call event.",
                    param="responses",
                )
            if not response.will_continue:
                finished.add(key)
        session.put(frames.tool_response(responses))
        self._router.route(session.conversation.answered(finished))
        return Sent(session)

    def _say(self, session: Session, text: str) -> None:
        session.put(frames.text_turn(text))
        self._telemetry.text_turns_in += 1
        session.conversation.user_typed()

    def _session_for_a_send(self) -> Session:
        session = self._session
        if session is not None and session.open:
            return session
        if not self._opens_on_use:
            raise _not_connected()
        return self._open(self._base, self._plan(self._base))

    def _plan(self, loaded: Loaded) -> Plan:
        """Return how to open a session. Raises `auth.missing_key` or `config.invalid`."""
        config = loaded.config
        key = credentials(config.session, self._environ)
        return Plan(
            url=endpoint(config.session, self._emulator_url),
            headers=key.headers(),
            setup=setup_message(config),
            connect_timeout_s=config.session.connect_timeout_ms / 1000,
            setup_timeout_s=config.session.setup_timeout_ms / 1000,
            secrets=key.secrets(),
        )

    def _open(self, loaded: Loaded, plan: Plan) -> Session:
        """Open the one session there is. Once it has ended, connect alone opens another."""
        assert self._tasks is not None
        self._opens_on_use = False
        self._vad = None
        self._loaded = loaded
        self._session = Session(plan, router=self._router, outbox=self._outbox, clock=self._clock)
        self._session.start(self._tasks)
        if loaded.config.session.greeting:
            self._say(self._session, loaded.config.session.greeting)
        return self._session

    async def _connected(self, session: Session) -> v.Session:
        await session.settled()
        return self.session()

    async def _disconnected(self, session: Session | None) -> None:
        if session is not None:
            await session.done()

    def _hear(self, session: Session, edge: "Edge") -> None:
        talk = session.conversation
        self._router.route(talk.speech_started() if edge.speaking else talk.speech_ended())
        self._router.heard(speaking=edge.speaking)

    def _hears(self) -> bool:
        return self._loaded.config.voice.vad == "energy"

    def _detector(self) -> "EnergyVad":
        if self._vad is None:
            # numpy takes a tenth of a second and 16 MB: it waits for the first audio.
            from livehandled.voice.vad import EnergyVad, VadConfig

            voice = self._loaded.config.voice
            self._vad = EnergyVad(
                VadConfig(
                    start_threshold_db=voice.start_threshold_db,
                    stop_threshold_db=voice.stop_threshold_db,
                    min_speech_frames=voice.min_speech_frames,
                    hangover_frames=voice.hangover_frames,
                )
            )
        return self._vad


def _not_connected() -> LiveHandleError:
    return LiveHandleError("session.not_connected", "No session is open: call connect.")


def _pcm(data: str) -> bytes:
    pcm = _decoded(data, "audio.bad_base64", "16-bit PCM")
    if not pcm:
        raise LiveHandleError("audio.empty", "The audio has no samples.", param="data")
    if len(pcm) % 2:
        raise LiveHandleError(
            "audio.misaligned",
            f"{len(pcm)} bytes are no whole number of 16-bit samples: send an even number.",
            param="data",
            expected="an even number of bytes",
        )
    return pcm


def _decoded(data: str, error: str, what: str) -> bytes:
    try:
        return pybase64.b64decode(data, validate=True)
    except ValueError as why:
        raise LiveHandleError(
            error,
            "The data is not standard base64: use the alphabet with + and /, padded with =.",
            param="data",
            expected=f"base64 of {what}",
        ) from why
