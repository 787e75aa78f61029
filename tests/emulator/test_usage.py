"""Tokens."""

from livehandle_emulator.usage import Ledger
from livehandled.gemini.server import ModalityTokens
from livehandled.gemini.setup import FunctionDeclaration, Tool


def test_audio_and_pictures_cost_what_is_documented() -> None:
    ledger = Ledger(vertex=False)
    ledger.hear_audio(2.0)
    ledger.see_image()
    ledger.say_audio(4.0)
    usage = ledger.close_turn()
    assert usage.prompt_tokens_details == [
        ModalityTokens(modality="AUDIO", token_count=50),
        ModalityTokens(modality="IMAGE", token_count=258),
    ]
    assert usage.response_tokens_details == [ModalityTokens(modality="AUDIO", token_count=100)]
    assert (usage.prompt_token_count, usage.response_token_count) == (308, 100)
    assert usage.total_token_count == 408


def test_the_response_joins_the_context_of_the_next_turn() -> None:
    ledger = Ledger(vertex=False)
    ledger.hear_text("four")
    ledger.say_text("eight888")
    assert ledger.close_turn().prompt_token_count == 1
    assert ledger.close_turn().prompt_token_count == 3


def test_a_short_chunk_is_not_rounded_away() -> None:
    ledger = Ledger(vertex=False)
    for _ in range(100):
        ledger.say_audio(0.01)
    assert ledger.close_turn().response_token_count == 25


def test_instruction_and_tools_are_billed_as_they_are_now() -> None:
    ledger = Ledger(vertex=False)
    ledger.instruct("x" * 40)
    tool = Tool(function_declarations=[FunctionDeclaration(name="f" * 400)])
    ledger.equip([tool, tool])
    before = ledger.close_turn().prompt_token_count or 0
    ledger.equip([])
    after = ledger.close_turn().prompt_token_count
    assert before > 200
    assert after == 10


def test_vertex_spells_it_otherwise() -> None:
    ledger = Ledger(vertex=True)
    ledger.say_text("word")
    usage = ledger.close_turn()
    assert usage.candidates_token_count == 1
    assert usage.candidates_tokens_details == [ModalityTokens(modality="TEXT", token_count=1)]
    assert usage.response_token_count is None
    assert usage.traffic_type == "ON_DEMAND"


def test_a_restored_context_is_billed_again() -> None:
    before = Ledger(vertex=False)
    before.hear_text("x" * 40)
    before.hear_audio(2.0)
    before.instruct("not part of it")
    before.say_text("nor is a turn under way")
    after = Ledger(vertex=False, tokens=before.tokens)
    assert after.close_turn().prompt_token_count == 10 + 50
