"""A reply as the messages it is sent in, each with its time (wire 4.1)."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pybase64

from livehandle_emulator.answer import Echo, Say, words_of
from livehandle_emulator.scenario import Timing
from livehandle_emulator.speech import SPEECH_RATE, speak
from livehandled.gemini.content import Blob, Content, Part, text_content
from livehandled.gemini.server import ServerContent, ServerMessage, Transcription
from livehandled.voice import pcm

_CHUNK_S = 0.08
_CHUNK_BYTES = 2 * int(_CHUNK_S * SPEECH_RATE)
_WORDS_PER_DELTA = 3
_CHARACTERS_PER_SECOND = 15.0  # of text, written at the pace at which it would be spoken
_MIME_TYPE = f"audio/pcm;rate={SPEECH_RATE}"


class Voice(NamedTuple):
    """How a session wants its replies."""

    audio: bool
    """Sound, or else text."""
    captions: bool
    """Whether the sound comes with its transcription."""
    timing: Timing


class Step(NamedTuple):
    """One message of a reply."""

    at: float
    """When to send it, in seconds of the caller's clock."""
    message: ServerMessage
    audio_s: float = 0.0
    """Seconds of sound in it."""
    text: str = ""
    """The text in it that counts as tokens."""
    lasts_s: float = 0.0
    """Seconds until the next may be sent."""
    words: str = ""
    """What is said in it, whether or not a transcription tells."""

    @property
    def ends_turn(self) -> bool:
        """Whether the turn is complete with it."""
        content = self.message.server_content
        return content is not None and content.turn_complete


class Reply:
    """A reply under way: what is still to be sent, and the calls it waits for."""

    def __init__(self) -> None:
        self.steps: deque[Step] = deque()
        self.waits_for: set[str] = set()
        """Ids of the blocking calls that hold it up."""
        self.held_back: list[Say | Echo] = []
        """What is to be said once they are answered."""

    @property
    def deadline(self) -> float | None:
        """When the next message is due, None while it waits for the client."""
        return self.steps[0].at if self.steps else None

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return not self.steps and not self.waits_for


def turn_complete(status: str | None) -> ServerMessage:
    """Return the end of a turn, with the interaction status where the model gives one."""
    return ServerMessage(
        server_content=ServerContent(turn_complete=True, interaction_status=status)
    )


def said(
    segments: Sequence[Say | Echo], voice: Voice, start: float, status: str | None
) -> list[Step]:
    """Return the steps that say `segments` from the time `start`, to the end of the turn.

    Sound is sent faster than it plays, and the turn completes when it would have been played
    (wire 4.1, 4.8). Text completes as soon as it is written.
    """
    told = list((_spoken if voice.audio else _written)(segments, voice, start))
    generated = max((step.at + step.lasts_s for step in told), default=start)
    played = start + sum(step.audio_s for step in told) / voice.timing.playback_speed
    complete = ServerMessage(server_content=ServerContent(generation_complete=True))
    return [
        *told,
        Step(generated, complete),
        Step(max(generated, played), turn_complete(status)),
    ]


def _spoken(segments: Sequence[Say | Echo], voice: Voice, start: float) -> Iterator[Step]:
    at = start
    for i, segment in enumerate(segments):
        sound, caption = _sound(segment)
        chunks = [sound[j : j + _CHUNK_BYTES] for j in range(0, len(sound), _CHUNK_BYTES)]
        words = _pieces(" " + caption if i else caption, 1)
        for j, chunk in enumerate(chunks):
            # The words are spread evenly over the sound.
            now = slice(len(words) * j // len(chunks), len(words) * (j + 1) // len(chunks))
            text = "".join(words[now])
            if text and voice.captions:
                yield Step(at, _content(output_transcription=Transcription(text=text)))
            seconds = len(chunk) / 2 / SPEECH_RATE
            lasts_s = seconds / voice.timing.stream_speed
            turn = Content(role="model", parts=[Part(inline_data=_blob(chunk))])
            message = _content(model_turn=turn)
            yield Step(at, message, audio_s=seconds, lasts_s=lasts_s, words=text)
            at += lasts_s


def _written(segments: Sequence[Say | Echo], voice: Voice, start: float) -> Iterator[Step]:
    at = start
    text = " ".join(_in_words(segment) for segment in segments)
    for piece in _pieces(text, _WORDS_PER_DELTA):
        lasts_s = len(piece) / _CHARACTERS_PER_SECOND / voice.timing.stream_speed
        message = _content(model_turn=text_content(piece, "model"))
        yield Step(at, message, text=piece, lasts_s=lasts_s, words=piece)
        at += lasts_s


def _sound(segment: Say | Echo) -> tuple[bytes, str]:
    """Return 16-bit PCM at the voice's rate, and its words."""
    if isinstance(segment, Say):
        return pcm.to_bytes(speak(segment.text)), segment.text
    heard = segment.utterance
    samples = pcm.resample(pcm.from_bytes(heard.pcm), heard.rate, SPEECH_RATE)
    return pcm.to_bytes(samples), words_of(heard)


def _in_words(segment: Say | Echo) -> str:
    if isinstance(segment, Say):
        return segment.text
    return f"I heard {words_of(segment.utterance)}."


def _pieces(text: str, words: int) -> list[str]:
    """Return a text in pieces of some words each, that joined are the text again."""
    return re.findall(rf"(?:\s*\S+){{1,{words}}}\s*", text)


def _blob(chunk: bytes) -> Blob:
    return Blob(mime_type=_MIME_TYPE, data=pybase64.b64encode_as_string(chunk))


def _content(
    *, model_turn: Content | None = None, output_transcription: Transcription | None = None
) -> ServerMessage:
    return ServerMessage(
        server_content=ServerContent(
            model_turn=model_turn, output_transcription=output_transcription
        )
    )
