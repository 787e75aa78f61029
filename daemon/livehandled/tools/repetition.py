"""A model that makes the same call again and again: a hundred times in one report (wire 4.1)."""

from collections import Counter
from collections.abc import Callable

import msgspec

from livehandle_proto.values import FunctionCall

_MOST_SIGNATURES = 1024

_encode = msgspec.json.Encoder(order="deterministic").encode


class Repetition:
    """Counts calls of one function with the same arguments since the user's last words."""

    def __init__(self, most: Callable[[], int]) -> None:
        self._most = most
        self._made: Counter[tuple[str, bytes]] = Counter()

    def user_spoke(self) -> None:
        """Begin to count anew: the user may want the same again."""
        self._made.clear()

    def exceeded(self, call: FunctionCall) -> bool:
        """Count a call; return whether it was made too often."""
        signature = call.name, _encode(call.args)
        self._made[signature] += 1
        if len(self._made) > _MOST_SIGNATURES:
            del self._made[next(iter(self._made))]
        return self._made[signature] > self._most()
