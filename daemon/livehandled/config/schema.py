"""Every key of the configuration, with its type, range, default and meaning (protocol 9).

A key stands here once it has an effect. `Meta.description` says what it means and in which
unit; reference pages are printed from it.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from livehandle_proto.tools import MAX_TOOL_TIMEOUT_MS

# Ends a pattern. `$` would let a final newline through, and JSON Schema has no `\Z`.
_END = r"(?![\s\S])"


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the sections: nothing in them changes, and nothing unknown is in them."""


class Session(Section, frozen=True, kw_only=True):
    """The conversation, and the service that holds it."""

    backend: Annotated[
        Literal["gemini", "vertex", "emulator"],
        Meta(description="The service: the Gemini API, Vertex AI, or the daemon's own emulator."),
    ] = "gemini"
    model: Annotated[
        str,
        Meta(
            min_length=1,
            description="The model's id. A name with a slash in it is sent as it stands.",
            extra={"expected": "the id of a model"},
        ),
    ] = "gemini-3.8-live"
    instruction: Annotated[str, Meta(description="The system instruction. Empty: none.")] = ""
    modality: Annotated[
        Literal["audio", "text"], Meta(description="Whether the model answers in speech or text.")
    ] = "audio"
    voice: Annotated[
        str, Meta(description="One of the service's voices. Empty: the service chooses.")
    ] = ""
    language: Annotated[
        str, Meta(description="BCP-47 code of the model's speech. Empty: the model detects it.")
    ] = ""
    greeting: Annotated[
        str, Meta(description="Text sent as the user's first turn of a new session. Empty: none.")
    ] = ""
    api_version: Annotated[
        str,
        Meta(
            pattern=rf"^(v[0-9][a-z0-9]*)?{_END}",
            description="Version in the service's path. Empty: v1beta, on Vertex AI v1beta1.",
            extra={"expected": "a version such as v1beta, or nothing"},
        ),
    ] = ""
    base_url: Annotated[
        str,
        Meta(
            pattern=rf"^((https?|wss?)://[^/?#\s]+[^#\s]*)?{_END}",
            description="Another address for the service; its path is appended. Empty: Google's. "
            "Not used by the emulator backend.",
            extra={"expected": "a URL of https, wss, http or ws without a fragment"},
        ),
    ] = ""
    project: Annotated[
        str,
        Meta(
            pattern=rf"^[A-Za-z0-9.:_-]*{_END}",
            description="The Google Cloud project, for Vertex AI.",
            extra={"expected": "the id of a Google Cloud project"},
        ),
    ] = ""
    location: Annotated[
        str,
        Meta(
            pattern=rf"^[a-z0-9-]*{_END}",
            description="The region, us, eu or global, for Vertex AI. Empty: global.",
            extra={"expected": "a location such as us-central1"},
        ),
    ] = ""
    connect: Annotated[
        Literal["first_use", "start", "manual"],
        Meta(description="What opens the session: a send, the daemon's start, or connect alone."),
    ] = "first_use"
    setup: Annotated[
        dict[str, object],
        Meta(
            description="Fields merged into the setup message last, in either spelling; "
            "a null removes a field. Each source replaces the table of the one below it."
        ),
    ] = {}
    allow_plaintext: Annotated[
        bool, Meta(description="Whether base_url may be http or ws beyond this machine.")
    ] = False
    key_file: Annotated[
        str,
        Meta(
            pattern=r"^([/~][\s\S]*)?" + _END,
            description="A file of mode 0600 that holds the API key, used if neither the "
            "environment nor systemd's credentials directory has one.",
            extra={"expected": "an absolute path, or one that begins with ~"},
        ),
    ] = ""
    credentials: Annotated[
        Literal["", "key", "token", "adc"],
        Meta(
            description="As whom to connect: an API key, an ephemeral token minted with it for "
            "each connection, or application default credentials. Empty: a key, and on Vertex AI "
            "application default credentials where session.project is set or there is no key."
        ),
    ] = ""
    proxy: Annotated[
        str,
        Meta(
            pattern=rf"^(none|(https?|socks5h?)://[^/?#\s]+/?)?{_END}",
            description="The proxy on the way to the service, or none. Empty: the environment's, "
            "and none to this machine.",
            extra={"expected": "none, or a URL of http, https, socks5 or socks5h without a path"},
        ),
    ] = ""
    quirks: Annotated[
        dict[str, object],
        Meta(
            description="What the model is to be taken for, by trait, where its name tells it "
            "wrong. Each source replaces the table of the one below it."
        ),
    ] = {}
    connect_timeout_ms: Annotated[
        int, Meta(ge=1, le=600_000, description="Longest wait for the connection, milliseconds.")
    ] = 10_000
    setup_timeout_ms: Annotated[
        int, Meta(ge=1, le=600_000, description="Longest wait for setupComplete, milliseconds.")
    ] = 15_000


class Context(Section, frozen=True, kw_only=True):
    """What the model remembers, and when it is told more."""

    delivery: Annotated[
        Literal["immediate", "deferred"],
        Meta(
            description="Whether queued context is sent at once, or before the next audio, text or "
            "picture, and a prompt with it once playback or the user's speech has ended."
        ),
    ] = "immediate"
    compression: Annotated[
        bool,
        Meta(description="Whether the service shortens a long context by a sliding window."),
    ] = True


class Resumption(Section, frozen=True, kw_only=True):
    """How a conversation goes on over another connection."""

    policy: Annotated[
        Literal["handle", "reseed", "fresh"],
        Meta(
            description="What a new connection begins with: the service's own history by a "
            "resumption handle, what was said by this side's transcript, or nothing."
        ),
    ] = "handle"
    store: Annotated[
        bool, Meta(description="Whether a session is kept on disk and outlives the daemon.")
    ] = True
    ceiling_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=3_300_000,
            description="Longest life of one connection, ms: the service ends some after 58 "
            "minutes without a word before.",
        ),
    ] = 3_240_000


class Tools(Section, frozen=True, kw_only=True):
    """The calls of the model."""

    timeout_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_TOOL_TIMEOUT_MS,
            description="Longest that a client takes for a call, ms, where it does not say itself. "
            "The model is told of an error then.",
        ),
    ] = 30_000
    grace_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=600_000,
            description="How long the calls of a client that has gone wait for it to come back, "
            "ms.",
        ),
    ] = 2_000
    max_repeats: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Calls of one function with the same arguments that are carried out until "
            "the user speaks or types again; the model is told to stop then.",
        ),
    ] = 5
    audio_during_call: Annotated[
        Literal["", "pass", "drop", "buffer"],
        Meta(
            description="What becomes of audio while the model waits for a blocking call. Empty: "
            "what the model takes best."
        ),
    ] = ""


class Voice(Section, frozen=True, kw_only=True):
    """How the user's speech is told from silence. A frame is 30 ms, for silero 32 ms.

    Levels and `pre_speech_frames` are not the Rust runtime's 15, 10 and 3: at a signal-to-noise
    ratio of 10 dB those miss half of all utterances, and cut the first syllable of most others
    (measured by `python -m bench vad`).
    """

    vad: Annotated[
        Literal["energy", "silero", "off"],
        Meta(description="The voice activity detector: energy, silero (an extra), or none."),
    ] = "energy"
    authority: Annotated[
        Literal["server", "client"],
        Meta(
            description="Who decides when the user speaks: the service, or the daemon's detector, "
            "which then writes activity marks."
        ),
    ] = "server"
    commit: Annotated[
        Literal["immediate", "responsive", "conversational"],
        Meta(
            description="How long the client authority waits before it ends a turn, and before it "
            "interrupts the model: 0 and 0, 400 and 600, 800 and 1400 ms."
        ),
    ] = "immediate"
    soft_turn_timeout_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=600_000,
            description="A turn that the model does not answer ends so long after the user's "
            "speech, ms. 0: it waits for the service.",
        ),
    ] = 0
    stall_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=600_000,
            description="Silence amid a reply, after what came of it has been played, that is told "
            "as live.stalled, ms. 0: none.",
        ),
    ] = 3_000
    start_threshold_db: Annotated[
        float,
        Meta(ge=0, le=96, description="Speech starts this far above the noise floor, dB. Energy."),
    ] = 12.0
    stop_threshold_db: Annotated[
        float,
        Meta(ge=0, le=96, description="Speech stops below this over the noise floor, dB. Energy."),
    ] = 8.0
    min_speech_frames: Annotated[
        int, Meta(ge=1, le=1000, description="Frames of speech in a row that start an utterance.")
    ] = 2
    hangover_frames: Annotated[
        int, Meta(ge=1, le=1000, description="Frames of silence in a row that end an utterance.")
    ] = 8
    pre_speech_frames: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="Frames before an utterance's start that the service hears with it, "
            "under client authority.",
        ),
    ] = 10


class Extraction(Section, frozen=True, kw_only=True):
    """What is read out of the conversation, turn by turn."""

    extractors: Annotated[
        dict[str, object],
        Meta(
            description="Extractors by name, each a table as extractors.register takes it, "
            "without the name. Each source replaces the table of the one below it."
        ),
    ] = {}


class Control(Section, frozen=True, kw_only=True):
    """The socket, and who may use it."""

    mode: Annotated[
        int,
        Meta(
            ge=0,
            le=0o666,
            description="Permission bits of the socket, in octal.",
            extra={"octal": True, "expected": 'permission bits such as "0660", at most "0666"'},
        ),
    ] = 0o600
    group: Annotated[
        str,
        Meta(
            description="Group that owns the socket and whose members are admitted. They must be "
            "able to enter its directory, and mode must let them write."
        ),
    ] = ""
    uids: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=2**32 - 2)], ...],
        Meta(
            description="Users admitted beside the daemon's own, by number.",
            extra={"expected": "a list of user numbers"},
        ),
    ] = ()
    max_clients: Annotated[
        int, Meta(ge=1, le=65_536, description="Most connections open at one time.")
    ] = 256
    max_clients_per_uid: Annotated[
        int,
        Meta(
            ge=1,
            le=65_536,
            description="Most of them that one user has, so that no user keeps all others out.",
        ),
    ] = 192
    mic_idle_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=3_600_000,
            description="Time without audio after which the microphone is free again, ms, where it "
            "was taken by sending audio and not claimed.",
        ),
    ] = 5_000


class Limits(Section, frozen=True, kw_only=True):
    """Bounds of every queue and buffer."""

    max_line_bytes: Annotated[
        int, Meta(ge=4096, le=2**30, description="Longest line read from a client, bytes.")
    ] = 16 * 2**20
    ring_events: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Events of the log class kept for replay.")
    ] = 4096
    ring_bytes: Annotated[
        int, Meta(ge=65_536, le=2**34, description="Most that those events may take, bytes.")
    ] = 32 * 2**20
    pending_calls: Annotated[
        int, Meta(ge=1, le=65_536, description="Most calls of one connection that may wait.")
    ] = 256
    subscriptions: Annotated[
        int, Meta(ge=1, le=4096, description="Most subscriptions of one connection.")
    ] = 64
    turn_requests: Annotated[
        int,
        Meta(
            ge=1,
            le=65_536,
            description="Most requests of one connection that are begun in one turn of the loop, "
            "while no other client has sent anything.",
        ),
    ] = 16
    turn_ms: Annotated[
        float,
        Meta(ge=0.1, le=1000, description="Longest that they are begun for, ms."),
    ] = 0.25
    client_buffer_bytes: Annotated[
        int,
        Meta(ge=65_536, le=2**30, description="Most that may wait for one slow client, bytes."),
    ] = 2**20
    outbox_frames: Annotated[
        int, Meta(ge=1, le=65_536, description="Most frames that may wait for the service.")
    ] = 256
    outbox_media_ms: Annotated[
        int,
        Meta(ge=1, le=60_000, description="Audio and video older than this are not sent, ms."),
    ] = 1000


class Metrics(Section, frozen=True, kw_only=True):
    """What the daemon measures, and how often it tells."""

    interval_ms: Annotated[
        int,
        Meta(ge=0, le=3_600_000, description="Time between live.telemetry events, ms. 0: none."),
    ] = 0
    listen: Annotated[
        str,
        Meta(
            pattern=rf"^(/[\s\S]*|(127\.0\.0\.1|\[::1\]):(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{{2}}|6[0-4][0-9]{{3}}|[1-5]?[0-9]{{1,4}}))?{_END}",
            description="Where GET /metrics is answered for Prometheus: the path of a Unix socket, "
            "with the mode and group of control, or a port of this machine. Empty: nowhere.",
            extra={"expected": "a path that begins with /, 127.0.0.1:PORT or [::1]:PORT"},
        ),
    ] = ""
    otel: Annotated[
        bool,
        Meta(
            description="Whether traces and metrics go out by OpenTelemetry (an extra), to where "
            "the OTEL_* variables of the environment say."
        ),
    ] = False


class Log(Section, frozen=True, kw_only=True):
    """What the daemon writes about itself."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="The least severe messages that are logged."),
    ] = "info"
    format: Annotated[
        Literal["text", "json"],
        Meta(description="Whether a line of the log is a sentence, or a JSON object."),
    ] = "text"
    transcripts: Annotated[
        bool,
        Meta(
            description="Whether the log tells what both sides said, a line for each turn, as "
            "redaction leaves it. If not, nothing that anybody said is in the log."
        ),
    ] = False


class Redaction(Section, frozen=True, kw_only=True):
    """What of the conversation nobody but the model is to see."""

    patterns: Annotated[
        dict[str, str],
        Meta(
            description="RE2 regular expressions by a name of their own. What they match is "
            "masked in all that was said, typed or thought, wherever it goes but to the model: to "
            "clients, the log, the disk. Words that may be the beginning of a match are told once "
            "the next ones show that they are none. Calls are told whole to those who carry them "
            "out (tool.call, session.tool_call), session.raw is told to nobody, and what is yet to "
            "be sent is kept on disk as it is (not so with resumption.store = false).",
            extra={"expected": "a table of regular expressions by name"},
        ),
    ] = {}
    keys: Annotated[
        tuple[str, ...],
        Meta(
            description="Keys of the state, with any prefix or none before them, whose values are "
            "masked in all that is told or kept of the state.",
            extra={"expected": "a list of keys"},
        ),
    ] = ()


class Recording(Section, frozen=True, kw_only=True):
    """Recordings of the wire and of the sound, which `recording.start` begins."""

    directory: Annotated[
        str,
        Meta(
            pattern=rf"^(~?/[^\x00]*)?{_END}",
            description="Where recordings are: a directory of this user's alone. Empty: in the "
            "state directory, one for each instance.",
            extra={"expected": "an absolute path, or one that begins with ~/"},
        ),
    ] = ""
    max_bytes: Annotated[
        int,
        Meta(
            ge=65_536,
            le=4_000_000_000,
            description="Most that the files of one recording take, bytes: it ends there. Sound "
            "takes 5.8 MB a minute.",
        ),
    ] = 512 * 2**20
    keep: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="Recordings that stay in the directory; the oldest leave for a new one.",
        ),
    ] = 20
    redacted_audio: Annotated[
        Literal["leave_out", "keep"],
        Meta(
            description="What becomes of sound where redaction.patterns are set: nothing in it can "
            "be masked. Left out, it is silence in the wire's file."
        ),
    ] = "leave_out"


class Config(Section, frozen=True, kw_only=True):
    """The whole tree."""

    session: Session = Session()
    context: Context = Context()
    resumption: Resumption = Resumption()
    tools: Tools = Tools()
    voice: Voice = Voice()
    extraction: Extraction = Extraction()
    control: Control = Control()
    limits: Limits = Limits()
    metrics: Metrics = Metrics()
    log: Log = Log()
    recording: Recording = Recording()
    redaction: Redaction = Redaction()
