"""Text that the service sends a second time after a resume is told only once (wire 4.3)."""

from typing import Literal, TypeAlias

Side: TypeAlias = Literal["user", "model"]


class Repeats:
    """Holds back what may be the last turn again, on the first turn of a resumed connection.

    `user` and `model` are the texts of the last turn, as far as they were told; `until` is when
    no repeat is expected any more, in monotonic seconds.
    """

    def __init__(self, user: str, model: str, until: float) -> None:
        self.until = until
        self._sides: dict[Side, _Side] = {"user": _Side(user), "model": _Side(model)}

    @property
    def holding(self) -> bool:
        """Whether anything is held: then `release` is to be called at `until`."""
        return any(side.held for side in self._sides.values())

    def heard(self, side: Side, text: str, now: float) -> list[str]:
        """Return what is to be told of a side now that `text` has come: nothing, or chunks.

        Chunks are held while they repeat the old text from its beginning. Once all of it has come
        again it is dropped, and what goes beyond it is told. As soon as they differ, or at
        `until`, they are told.
        """
        one = self._sides[side]
        return one.heard(text) if now < self.until else [*one.release(), text]

    def release(self, side: Side | None = None) -> list[tuple[Side, str]]:
        """Return the held chunks of one side or both, to be told: nothing is held from here on."""
        sides = self._sides if side is None else (side,)
        return [(name, chunk) for name in sides for chunk in self._sides[name].release()]


class _Side:
    def __init__(self, old: str) -> None:
        self.held: list[str] = []
        self._left = old  # of the old text; empty once it is decided

    def heard(self, text: str) -> list[str]:
        if not self._left:
            return [text]
        if text.startswith(self._left):
            rest = text[len(self._left) :]
            self.held = []
            self._left = ""
            return [rest] if rest else []
        if self._left.startswith(text):
            self._left = self._left[len(text) :]
            self.held.append(text)
            return []
        return [*self.release(), text]

    def release(self) -> list[str]:
        held, self.held = self.held, []
        self._left = ""
        return held
