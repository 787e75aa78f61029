"""A module a generated file: where it goes, of which template, with which filters.

`FILE` is its path below `client/`, `TEMPLATE` is in `templates/`, and `FILTERS` are the functions
that the template may call. Modules are found by themselves.
"""

from collections.abc import Callable, Mapping
from typing import Protocol


class Language(Protocol):
    """What a module of this package holds."""

    @property
    def FILE(self) -> str:  # noqa: N802 - it stands for a constant
        """The path of what is generated, below `client/`."""

    @property
    def TEMPLATE(self) -> str:  # noqa: N802
        """The name of the template."""

    @property
    def FILTERS(self) -> Mapping[str, Callable[..., object]]:  # noqa: N802
        """What the template may call, by its name there."""
