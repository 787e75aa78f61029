"""The transcript as JSON has it."""

import msgspec

from livehandle_proto.transcripts import ToolUse, Transcript, TranscriptTurn


def test_n1_a_turn_shows_every_field_even_where_nothing_was_said() -> None:
    assert msgspec.to_builtins(TranscriptTurn(turn_number=0)) == {
        "turn_number": 0,
        "user": "",
        "model": "",
        "tool_calls": [],
        "interrupted": False,
    }


def test_n8_the_transcript_says_that_no_turn_is_open() -> None:
    use = ToolUse(name="book", args="{}", result="null")
    turn = TranscriptTurn(turn_number=3, user="u", model="m", tool_calls=[use], interrupted=True)
    shown = msgspec.json.encode(Transcript(turns=[turn], current=None))
    assert shown == (
        b'{"turns":[{"turn_number":3,"user":"u","model":"m",'
        b'"tool_calls":[{"name":"book","args":"{}","result":"null"}],"interrupted":true}],'
        b'"current":null}'
    )
    assert msgspec.json.decode(shown, type=Transcript).turns == [turn]
