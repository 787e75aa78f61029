"""Standard output, as it may be."""

import io


class Out(io.StringIO):
    """A terminal, or a file, of an encoding."""

    def __init__(self, *, tty: bool = False, encoding: str = "utf-8") -> None:
        super().__init__()
        self._tty = tty
        self._named = encoding

    def isatty(self) -> bool:
        return self._tty

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute in the stub
        return self._named
