"""Tokens, as the service counts and bills them (wire 3.3, 4.3)."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import ceil

import msgspec

from livehandled.gemini.server import ModalityTokens, UsageMetadata
from livehandled.gemini.setup import Tool

_TOKENS_PER_AUDIO_SECOND = 25
_TOKENS_PER_IMAGE = 258
_CHARACTERS_PER_TOKEN = 4


class Ledger:
    """What a conversation holds, and what of it one turn is billed for.

    Each turn's prompt is the whole context again; the turn's response joins it afterwards.
    """

    def __init__(self, *, vertex: bool, tokens: Iterable[tuple[str, float]] = ()) -> None:
        """`tokens` are what a restored context holds, as `tokens` of another ledger told it."""
        self._vertex = vertex
        self._preamble: dict[str, float] = {}
        self._context: defaultdict[str, float] = defaultdict(float, tokens)
        self._response: defaultdict[str, float] = defaultdict(float)

    @property
    def tokens(self) -> tuple[tuple[str, float], ...]:
        """What the context holds, by modality; the turn under way is not part of it."""
        return tuple(self._context.items())

    def instruct(self, instruction: str) -> None:
        """Replace the system instruction."""
        self._preamble["instruction"] = _of_text(instruction)

    def equip(self, tools: list[Tool]) -> None:
        """Replace the tools."""
        declared = [f for tool in tools for f in tool.function_declarations or []]
        self._preamble["tools"] = sum(
            _of_text(f.name + (f.description or "") + json.dumps(f.parameters)) for f in declared
        )

    def hear_text(self, text: str) -> None:
        """Add text to the context."""
        self._context["TEXT"] += _of_text(text)

    def hear_audio(self, seconds: float) -> None:
        """Add audio to the context."""
        self._context["AUDIO"] += seconds * _TOKENS_PER_AUDIO_SECOND

    def see_image(self) -> None:
        """Add a picture or a video frame to the context."""
        self._context["IMAGE"] += _TOKENS_PER_IMAGE

    def say_text(self, text: str) -> None:
        """Add text to the response under way."""
        self._response["TEXT"] += _of_text(text)

    def say_audio(self, seconds: float) -> None:
        """Add audio to the response under way."""
        self._response["AUDIO"] += seconds * _TOKENS_PER_AUDIO_SECOND

    def close_turn(self) -> UsageMetadata:
        """Return the bill of the turn that ends, and begin the next."""
        whole = defaultdict(float, self._context)
        whole["TEXT"] += sum(self._preamble.values())
        prompt, response = _details(whole), _details(self._response)
        for modality, tokens in self._response.items():
            self._context[modality] += tokens
        self._response.clear()
        prompt_count = sum(details.token_count for details in prompt)
        response_count = sum(details.token_count for details in response)
        bill = UsageMetadata(
            prompt_token_count=prompt_count,
            total_token_count=prompt_count + response_count,
            prompt_tokens_details=prompt,
        )
        if self._vertex:
            return msgspec.structs.replace(
                bill,
                candidates_token_count=response_count,
                candidates_tokens_details=response,
                traffic_type="ON_DEMAND",
            )
        return msgspec.structs.replace(
            bill, response_token_count=response_count, response_tokens_details=response
        )


def _of_text(text: str) -> float:
    return len(text) / _CHARACTERS_PER_TOKEN


def _details(tokens: Mapping[str, float]) -> list[ModalityTokens]:
    """Return whole tokens by modality; what was counted in small parts is rounded once."""
    counts = {modality: ceil(round(count, 3)) for modality, count in sorted(tokens.items())}
    return [ModalityTokens(modality=m, token_count=n) for m, n in counts.items() if n]
