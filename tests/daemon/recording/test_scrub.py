"""What of a message is written down."""

import json

import pytest

from livehandled.recording.items import Direction
from livehandled.recording.scrub import Scrubber
from livehandled.redaction import REDACTED, Redaction

CARD = Redaction({"card": r"\d{4}-\d{4}"})


def frame(scrubber: Scrubber, message: object, direction: Direction = "in") -> object:
    [one] = scrubber.message(json.dumps(message).encode(), direction)
    return one["frame"]


def update(handle: str) -> dict[str, object]:
    return {"sessionResumptionUpdate": {"newHandle": handle, "resumable": True}}


def test_a_handle_has_one_stand_in_wherever_it_belongs() -> None:
    scrubber = Scrubber()
    assert frame(scrubber, update("secret/A==")) == update("handle-1")
    assert frame(scrubber, update("secret/B==")) == update("handle-2")
    asked = {"setup": {"model": "m", "sessionResumption": {"handle": "secret/A=="}}}
    [told] = scrubber.message(json.dumps(asked).encode(), "out")
    assert told["frame"] == {"setup": {"model": "m", "sessionResumption": {"handle": "handle-1"}}}


@pytest.mark.parametrize("spelling", ["session_resumption_update", "sessionResumptionUpdate"])
def test_a_handle_is_found_in_either_spelling_and_escaped(spelling: str) -> None:
    name = "new_handle" if "_" in spelling else "newHandle"
    raw = f'{{"{spelling}": {{"{name}": "secret\\u003d\\u003d"}}}}'.encode()
    [one] = Scrubber().message(raw, "in")
    assert one == {"frame": {"sessionResumptionUpdate": {"newHandle": "handle-1"}}}


def test_a_known_handle_and_a_secret_are_masked_where_none_belongs() -> None:
    scrubber = Scrubber()
    scrubber.know(["the-key"], ["old-handle"])
    said = {"error": {"message": "bad the-key of old-handle", "old-handle": "x"}}
    assert frame(scrubber, said) == {"error": {"message": "bad *** of handle-1", "handle-1": "x"}}
    assert scrubber.text("reason old-handle the-key") == "reason handle-1 ***"


@pytest.mark.parametrize(
    "data", [b"}{ the-key", b'\xff"newHandle": "the-handle"', b'["newHandle", "the-key"]']
)
def test_what_is_no_message_is_written_as_text_without_secrets(data: bytes) -> None:
    scrubber = Scrubber()
    scrubber.know(["the-key"], ["the-handle"])
    [one] = scrubber.message(data, "in")
    assert one.keys() == {"text"}
    assert not any(secret in str(one) for secret in ("the-key", "the-handle"))


def test_a_frame_nested_too_deep_is_written_as_text() -> None:
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    [one] = Scrubber().message(deep, "in")
    assert one.keys() == {"text"}


def test_without_redaction_a_message_is_what_it_was() -> None:
    message = {
        "serverContent": {
            "modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm", "data": "AAAA"}}]},
            "outputTranscription": {"text": "My card is 1234-5678."},
        },
        "usageMetadata": {"totalTokenCount": 3},
        "unknownField": [1, 2.5, None, True],
    }
    assert frame(Scrubber(), message) == message


def test_texts_are_redacted_but_neither_names_nor_sound() -> None:
    scrubber = Scrubber(CARD)
    sound = {"mimeType": "audio/pcm", "data": "1234-5678"}
    call = {"id": "1234-5678", "name": "pay", "args": {"card": "1234-5678"}}
    said = {
        "toolCall": {"functionCalls": [call]},
        "serverContent": {"modelTurn": {"parts": [{"inlineData": sound}]}},
    }
    told = frame(scrubber, said)
    assert told == {
        "toolCall": {"functionCalls": [call | {"args": {"card": REDACTED}}]},
        "serverContent": {"modelTurn": {"parts": [{"inlineData": sound}]}},
    }
    typed = {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "1234-5678"}]}]}}
    shown = frame(scrubber, typed, "out")
    assert shown == json.loads(json.dumps(typed).replace("1234-5678", REDACTED))


def test_a_text_that_comes_in_pieces_is_redacted_as_a_whole() -> None:
    scrubber = Scrubber(CARD)
    told = [
        frame(scrubber, {"serverContent": {"outputTranscription": {"text": piece}}})
        for piece in ("It is 12", "34-", "5678, and 99")
    ]
    ended = scrubber.message(b'{"serverContent": {"turnComplete": true}}', "in")
    texts = [one["serverContent"]["outputTranscription"]["text"] for one in told]  # type: ignore[index]  # the form above
    assert "".join(texts) == f"It is {REDACTED}, and "
    assert ended == [
        {"frame": {"serverContent": {"outputTranscription": {"text": "99"}}}},
        {"frame": {"serverContent": {"turnComplete": True}}},
    ]


def test_the_rest_of_a_text_is_told_with_the_message_that_ends_it() -> None:
    scrubber = Scrubber(CARD)
    written = {"modelTurn": {"parts": [{"text": "12"}]}, "turnComplete": True}
    assert frame(scrubber, {"serverContent": written}) == {"serverContent": written}


def test_what_is_held_back_at_the_end_is_masked_by_itself() -> None:
    scrubber = Scrubber(CARD)
    frame(scrubber, {"serverContent": {"inputTranscription": {"text": "12"}}})
    rest = {"serverContent": {"inputTranscription": {"text": REDACTED}}}
    assert scrubber.rest() == [{"frame": rest}]
    assert scrubber.rest() == []


def test_sound_is_silence_of_the_same_length_where_it_is_left_out() -> None:
    scrubber = Scrubber(CARD, silent=True)
    said = {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": "abcd+/8="}}}
    assert frame(scrubber, said, "out") == {
        "realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": "AAAAAAA="}}
    }


@pytest.mark.parametrize("kind", ["", None, "Audio/PCM", 3])
def test_sound_is_what_nothing_says_to_be_anything_else(kind: object) -> None:
    more = {} if kind is None else {"mimeType": kind}
    part = {"inlineData": {"data": "abcd", **more}}
    said = {"serverContent": {"modelTurn": {"parts": [part]}}}
    assert "AAAA" in str(frame(Scrubber(CARD, silent=True), said))
    picture = {"realtimeInput": {"video": {"mimeType": "image/png", "data": "abcd"}}}
    assert frame(Scrubber(CARD, silent=True), picture, "out") == picture


def heard(text: str, side: str = "inputTranscription", **more: object) -> dict[str, object]:
    return {"serverContent": {side: {"text": text}, **more}}


def test_the_words_of_a_user_who_interrupts_go_on_in_the_next_turn() -> None:
    scrubber = Scrubber(CARD)
    assert frame(scrubber, heard("my 1234-")) == heard("my ")
    ends: list[dict[str, object]] = [{"interrupted": True}, {"turnComplete": True}]
    for end in ends:
        assert frame(scrubber, {"serverContent": end}) == {"serverContent": end}
    assert frame(scrubber, heard("5678 9")) == heard(f"{REDACTED} ")
    assert frame(scrubber, heard("", turnComplete=True)) == heard("9", turnComplete=True)


def test_what_trails_behind_the_reply_is_one_text_with_it_and_masked_if_it_was_cut_off() -> None:
    scrubber, side = Scrubber(CARD), "outputTranscription"
    frame(scrubber, heard("It is 1234-", side))
    frame(scrubber, {"serverContent": {"generationComplete": True}})
    assert frame(scrubber, heard("5678. 1", side)) == heard(f"{REDACTED}. ", side)
    frame(scrubber, {"serverContent": {"interrupted": True}})
    cut = heard("", side, turnComplete=True)
    assert frame(scrubber, cut) == heard(REDACTED, side, turnComplete=True)


def test_thoughts_and_text_are_one_text_each() -> None:
    def parts(*texts: str) -> dict[str, object]:
        text, thought, rest = texts
        said = [{"text": text}, {"text": thought, "thought": True}, {"text": rest}]
        return {"serverContent": {"modelTurn": {"parts": said}}}

    scrubber = Scrubber(CARD)
    assert frame(scrubber, parts("a 1234-", "hm 1", "5678 b")) == parts(
        "a ", "hm ", f"{REDACTED} b"
    )
    told = scrubber.message(b'{"serverContent": {"turnComplete": true}}', "in")
    rest = {"modelTurn": {"parts": [{"text": "1", "thought": True}]}}
    assert told[0] == {"frame": {"serverContent": rest}}


def test_the_beginning_of_a_handle_at_the_end_of_a_reason_is_masked() -> None:
    scrubber = Scrubber()
    scrubber.know(["the-key"], ["a-handle/of-many-characters"])
    assert scrubber.text("no session a-handle/of-ma") == "no session ***"
    assert scrubber.text("no session a-handle/of-many-characters") == "no session handle-1"
    assert scrubber.text("no session a-hand") == "no session a-hand"
