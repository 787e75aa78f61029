"""The turn machine: what a session says, and when, to what it is given (wire 4).

This half takes everything in; `speaker` has the half that sends. No clock is read and nothing is
sent: a message and a time come in, messages go out, and `deadline` tells when `advance` has
more. Times are seconds of one steady clock of the caller's.
"""

from collections.abc import Callable, Sequence

from livehandle_emulator.answer import Answer, Prompt, Result, answer_to, reported, words_of
from livehandle_emulator.calls import Calls
from livehandle_emulator.closing import NOT_SUPPORTED, RefusedError
from livehandle_emulator.endpoint import Endpoint
from livehandle_emulator.hearing import Ear, Ended, Started, Utterance
from livehandle_emulator.history import Entry, History, Kind
from livehandle_emulator.models import Model
from livehandle_emulator.payload import audio_in, image_in
from livehandle_emulator.progress import Progress, cadence_of
from livehandle_emulator.reply import Voice
from livehandle_emulator.resumption import Past
from livehandle_emulator.rules import (
    check_content,
    check_realtime,
    check_tool_response,
    check_tools,
)
from livehandle_emulator.scenario import Scenario
from livehandle_emulator.speaker import Speaker
from livehandle_emulator.usage import Ledger
from livehandled.gemini.client import (
    ClientContent,
    ClientMessage,
    ContextUpdate,
    RealtimeInput,
    ToolResponse,
)
from livehandled.gemini.content import Blob, Content
from livehandled.gemini.server import (
    ServerContent,
    ServerMessage,
    Transcription,
    VoiceActivity,
)
from livehandled.gemini.setup import RealtimeInputConfig, Setup, Tool


class Conversation:
    """One session, from the end of its setup."""

    def __init__(
        self,
        setup: Setup,
        endpoint: Endpoint,
        model: Model,
        scenario: Scenario,
        session_id: str,
        *,
        past: Past,
        told: Callable[[Entry], None],
        issue: Callable[[Past], str],
    ) -> None:
        """Go on from a past; `told` gets what joins the history, `issue` a handle for it."""
        config = setup.realtime_input_config or RealtimeInputConfig()
        self._endpoint = endpoint
        self._model = model
        self._scenario = scenario
        self._transcribes = setup.input_audio_transcription is not None
        self._captions = setup.output_audio_transcription is not None
        self._signals = bool(setup.explicit_vad_signal)
        self._barge_in = (config.activity_handling or "").upper() != "NO_INTERRUPTION"
        self._seeding = bool(
            setup.history_config and setup.history_config.initial_history_in_client_content
        )
        self._ear = Ear(
            config.automatic_activity_detection,
            all_input=(config.turn_coverage or "").upper() == "TURN_INCLUDES_ALL_INPUT",
            default_sensitivity="LOW" if endpoint.vertex else "HIGH",
        )
        self.history = History(past.entries, told)
        self._ledger = Ledger(vertex=endpoint.vertex, tokens=past.tokens)
        self._calls = Calls(model, session_id, past.calls)
        asked = setup.session_resumption
        self._progress = Progress(
            cadence_of(scenario.resumption, model) if asked else "never",
            cut=self._cut,
            issue=issue,
            transparent=bool(asked and asked.transparent),
            deltas=past.deltas,
        )
        voice = _voice(setup, model, scenario)
        self._speaker = Speaker(
            model, voice, self._calls, self._ledger, self.history, self._progress
        )
        self._prompt = Prompt()
        self._prompt.texts.extend(past.texts)
        self._video_frames = 0
        self._index = 0
        self._swallows = False
        self._instruct(setup.system_instruction)
        self._equip(setup.tools or [])

    @property
    def deadline(self) -> float | None:
        """When there will be something to send, None if only after more input."""
        times = [self._speaker.deadline, self._progress.deadline]
        return min((at for at in times if at is not None), default=None)

    def advance(self, now: float) -> list[ServerMessage]:
        """Return what is due by `now`."""
        messages = self._speaker.due(now)
        if not self._speaker.busy and self._prompt.wants_answer(speaking=self._ear.speaking):
            self._speaker.begin(self._answer(), now)
            messages += self._speaker.due(now)
        return messages + self._progress.due(now)

    def stop(self) -> None:
        """End with the connection: the history keeps what was said of the turn under way."""
        self._speaker.stop()

    def repeated(self) -> list[ServerMessage]:
        """Return the transcription of the last turn before, as far as the setup asks for it."""
        contents = [(message, message.server_content) for message in self._progress.deltas]
        return [
            message
            for message, content in contents
            if content and (self._captions if content.output_transcription else self._transcribes)
        ]

    def receive(self, message: ClientMessage, now: float) -> list[ServerMessage]:
        """Take one message in and return what is due by `now`.

        Raises `RefusedError`, which is the end of the session. A setup is not for here.
        """
        self._index += 1
        messages: list[ServerMessage] = []
        if message.client_content is not None:
            messages = self._take_content(message.client_content)
        elif message.realtime_input is not None:
            messages = self._take_realtime(message.realtime_input)
        elif message.tool_response is not None:
            messages = self._take_responses(message.tool_response, now)
        elif message.context_update is not None:
            self._take_update(message.context_update)
        return messages + self.advance(now)

    def _take_content(self, content: ClientContent) -> list[ServerMessage]:
        check_content(content, self._endpoint, self._model)
        if content.turn_complete and self._swallow():
            return []
        if self._seeding:
            # History up to here, and no reply to it (wire 4.5).
            self._seeding = not content.turn_complete
            for turn in content.turns:
                self._remember(turn, "seed")
            self._prompt.texts.clear()
            self._prompt.attachments.clear()
            return []
        # Context alone cuts a reply short, but on 3.8 (wire 2.2); calls go on in any case.
        cuts = self._model.generation != "3.8" and not self._speaker.waits
        cut_short = self._speaker.interrupt() if content.turn_complete or cuts else []
        last = len(content.turns) - 1
        texts = len(self._prompt.texts)
        for i, turn in enumerate(content.turns):
            asks = content.turn_complete and i == last and turn.role != "model"
            self._remember(turn, "typed" if asks else "context")
            if turn.role == "model":  # it has answered what was said before it
                while len(self._prompt.texts) > texts:
                    self._prompt.texts.pop()
        self._prompt.asked |= content.turn_complete
        return cut_short

    def _remember(self, turn: Content, kind: Kind) -> None:
        text = "\n".join(part.text for part in turn.parts if part.text)
        if turn.role == "system":
            self._instruct(turn)
            return
        self._ledger.hear_text(text)
        self.history.add(turn.role or "user", text, kind)
        blobs = [part.inline_data for part in turn.parts if part.inline_data is not None]
        for blob in blobs:
            if blob.mime_type.startswith("audio/pcm"):
                pcm, rate = audio_in(blob, "")
                self._ledger.hear_audio(len(pcm) / 2 / rate)
            else:
                self._ledger.see_image()
        if turn.role == "model":
            return
        if text:
            self._prompt.texts.append(text)
        self._prompt.attachments.extend(blob.mime_type for blob in blobs)

    def _take_realtime(self, realtime: RealtimeInput) -> list[ServerMessage]:
        check_realtime(realtime, detects=self._ear.detects)
        if realtime.audio is not None:
            return self._hear(realtime.audio, "realtime_input.audio")
        if realtime.video is not None:
            self._see(realtime.video, "realtime_input.video")
        if realtime.text is not None:
            return self._typed(realtime.text)
        if realtime.activity_start is not None:
            return self._notice(self._ear.mark_start())
        if realtime.activity_end is not None:
            return self._notice(self._ear.mark_end())
        if realtime.audio_stream_end:
            return self._notice(self._ear.end_stream())
        messages: list[ServerMessage] = []
        for i, blob in enumerate(realtime.media_chunks or []):
            at = f"realtime_input.media_chunks[{i}]"
            if blob.mime_type.startswith("audio/"):
                messages += self._hear(blob, at)
            else:
                self._see(blob, at)
        return messages

    def _hear(self, blob: Blob, at: str) -> list[ServerMessage]:
        pcm, rate = audio_in(blob, at)
        messages: list[ServerMessage] = []
        if self._speaker.calling and self._scenario.tools.audio_during_call == "close":
            raise RefusedError(1008, NOT_SUPPORTED)
        if self._speaker.calling and self._scenario.tools.audio_during_call == "cancel":
            messages = self._speaker.interrupt()
            self._prompt.utterances.append(Utterance(pcm, rate, 0.0))
        return messages + self._notice(self._ear.hear(pcm, rate))

    def _see(self, blob: Blob, at: str) -> None:
        image_in(blob, at)
        self._video_frames += 1
        self._ledger.see_image()

    def _typed(self, text: str) -> list[ServerMessage]:
        """Take a line of text: a turn of its own, or part of a marked one (wire 2.3, 4.5)."""
        if self._swallow():
            return []
        cut_short: list[ServerMessage] = []
        if self._ear.detects or not self._ear.speaking:
            self._prompt.asked = True
            finishes_first = self._model.generation == "2.5" and self._model.native_audio
            if self._barge_in and not finishes_first:
                cut_short = self._speaker.interrupt()
        self._ledger.hear_text(text)
        self._prompt.texts.append(text)
        self.history.add("user", text, "typed")
        return cut_short

    def _notice(self, heard: Sequence[Started | Ended]) -> list[ServerMessage]:
        messages = []
        for event in heard:
            if self._signals and self._ear.detects:
                messages.append(_signal(event))
            if isinstance(event, Started):
                messages += self._speaker.interrupt() if self._barge_in else []
                continue
            if self._swallow():
                continue
            self._prompt.utterances.append(event.utterance)
            self._ledger.hear_audio(event.utterance.duration_s)
            words = words_of(event.utterance)
            self.history.add("user", words, "speech")
            if self._transcribes:
                content = ServerContent(input_transcription=Transcription(text=words))
                messages.append(self._progress.transcribed(ServerMessage(server_content=content)))
        return messages

    def _take_responses(self, response: ToolResponse, now: float) -> list[ServerMessage]:
        check_tool_response(response, self._endpoint, self._model)
        messages: list[ServerMessage] = []
        told: list[str] = []
        interrupts = False
        for answer in response.function_responses:
            call = self._calls.answered(answer)
            if call is None:
                messages += self._unknown_call(answer.id, now)
                continue
            result = Result(call.name, answer.response)
            told.append(reported(result))
            scheduling = (answer.scheduling or "").upper()
            if call.blocking:
                self._speaker.resume(call.id, result, now)
            elif scheduling != "SILENT":
                self._prompt.results.append(result)
                interrupts |= scheduling == "INTERRUPT"
        # A result cuts neither the user short, nor a turn that waits for another call.
        if interrupts and not self._ear.speaking and not self._speaker.waits:
            messages += self._speaker.interrupt()
        for text in told:
            self._ledger.hear_text(text)
            self.history.add("user", text, "result")
        return messages

    def _unknown_call(self, id_: str | None, now: float) -> list[ServerMessage]:
        """Take an answer that nobody waits for: to a call cancelled, answered, or never made.

        What models do differs only for calls of a connection before this one (wire 4.3).
        """
        if not self._calls.of_another_connection(id_):
            return []
        rule = self._scenario.resumption.unknown_calls
        if rule == "close":
            raise RefusedError(1008, NOT_SUPPORTED)
        if rule == "ignore" or (rule is None and self._model.generation != "3.8"):
            return []
        self._swallows = True
        return self._speaker.silent_turn(now)

    def _swallow(self) -> bool:
        """Return whether what the user says now is not heard, once."""
        swallows, self._swallows = self._swallows, False
        return swallows

    def _take_update(self, update: ContextUpdate) -> None:
        if update.tools is not None:
            check_tools(update.tools.tools, self._model, "context_update.tools")
            self._equip(update.tools.tools)
        if update.system_instruction is not None:
            self._instruct(update.system_instruction)

    def _cut(self) -> Past:
        """Return the session as it is now, for a handle to restore."""
        return Past(
            entries=tuple(self.history),
            texts=tuple(self._prompt.texts),
            calls=self._calls.unanswered,
            tokens=self._ledger.tokens,
            deltas=self._progress.deltas,
            consumed=self._index,
        )

    def _answer(self) -> Answer:
        prompt, self._prompt = self._prompt, Prompt()
        frames, self._video_frames = self._video_frames, 0
        return answer_to(
            prompt,
            functions=self._calls.functions,
            instruction=self._instruction,
            video_frames=frames,
            canned=self._scenario.reply,
        )

    def _instruct(self, instruction: Content | None) -> None:
        parts = instruction.parts if instruction else []
        self._instruction = "\n".join(part.text for part in parts if part.text)
        self._ledger.instruct(self._instruction)

    def _equip(self, tools: list[Tool]) -> None:
        self._calls.declare(tools)
        self._ledger.equip(tools)


def _voice(setup: Setup, model: Model, scenario: Scenario) -> Voice:
    config = setup.generation_config
    asked = [m.upper() for m in (config.response_modalities if config else None) or []]
    audio = "TEXT" not in asked if asked else "AUDIO" in model.modalities
    return Voice(audio, setup.output_audio_transcription is not None, scenario.timing)


def _signal(event: Started | Ended) -> ServerMessage:
    kind = "ACTIVITY_START" if isinstance(event, Started) else "ACTIVITY_END"
    return ServerMessage(voice_activity=VoiceActivity(type=kind, audio_offset=f"{event.at_s:.3f}s"))
