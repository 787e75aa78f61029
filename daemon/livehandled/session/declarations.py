"""The functions that a session's model is to know of, and those that it knows of (wire 2.5)."""

from collections.abc import Mapping, Sequence

from livehandled.gemini.opening import Function, blocks, tools_with
from livehandled.session.plan import Plan

Tools = Sequence[Mapping[str, object]]
"""A tool list, as a setup has it."""


class Declarations:
    """What clients carry out, beside the functions of the configuration."""

    def __init__(self, plan: Plan) -> None:
        self.functions: Sequence[Function] = ()
        """Those of the clients, which the next setup has."""
        self._plan = plan
        self.told: Tools = self.tools
        """What the connection's model has."""
        self._asked: Sequence[Function] = ()
        self._taken: Sequence[Function] = ()

    @property
    def tools(self) -> Tools:
        """What the next setup has."""
        return tools_with(self._plan.setup, self.functions, self._plan.traits)

    def block(self, function: str) -> bool:
        """Return whether the model waits for a function's result, as it was told of it."""
        return blocks({"tools": self.told}, function, self._plan.traits)

    def asked(self) -> Tools:
        """Return what a setup has that is sent now."""
        self._asked = self.functions
        return self.tools

    def taken(self, tools: Tools) -> None:
        """Note that the service has taken that setup."""
        self.told = tools
        self._taken = self._asked

    def go_back(self) -> list[str]:
        """Take back what the service did not take in that setup; return the names in it.

        They are none where it had taken the same before: then it is not the functions.
        """
        if self._asked == self._taken:
            return []
        self.functions = self._taken
        return [str(one["name"]) for one in self._asked]
