"""The one executor: carries out what the reactor's rules want (section D)."""

from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextvars import ContextVar
from functools import partial
from typing import Protocol

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from livehandle_proto.errors import LiveHandleError
from livehandled.voice.reactor import (
    CancelDeferredPrompt,
    Effect,
    PromptModel,
    Reaction,
    Run,
    SendContext,
    SignalUserActivityEnd,
    SignalUserActivityStart,
    UpdateInstruction,
)

_MAX_WAITING = 64
"""Events whose reactions may wait for a blocking action, the action's own among them."""

_acting = ContextVar("livehandled.effects.acting", default=False)
"""Whether a blocking action runs this code."""

Start = Callable[[Callable[[], Coroutine[object, object, None]]], object]
"""Starts a task in the owner's task group."""


class Outlet(Protocol):
    """What effects are carried out on: the session, without the deferred layer (D10)."""

    def prompt_model(self) -> None:
        """Send the context that waits, then the armed prompt."""

    def cancel_prompt(self) -> None:
        """Disarm the prompt."""

    def mark(self, *, start: bool) -> None:
        """Write an activity mark, where the service takes them."""

    def update_instruction(self, instruction: str) -> None:
        """Give the model another instruction."""

    def send_context(self, effect: SendContext) -> None:
        """Add turns to the history."""


class Pending:
    """The rest of some reactions: await it to have their errors and to know them done."""

    def __init__(self) -> None:
        self.awaited = False
        """Whether somebody is there to be told of an error."""
        self._done = anyio.Event()
        self._error: Exception | None = None

    def __await__(self) -> Generator[object, object, None]:
        yield from self._wait().__await__()

    async def _wait(self) -> None:
        self.awaited = True
        # Bounded by the timeouts of the reactions, where their rules set any.
        await self._done.wait()
        if self._error is not None:
            raise self._error

    def finish(self, error: Exception | None) -> None:
        """Let those who wait go."""
        self._error = error
        self._done.set()


class Executor:
    """Carries effects out in order; the ones that need no wait before it returns.

    While a blocking action runs, the reactions to later events wait for it: what is written keeps
    the order of the events.
    """

    def __init__(
        self, outlet: Outlet, *, start: Start, tell: Callable[[LiveHandleError], None]
    ) -> None:
        self._outlet = outlet
        self._start = start
        self._tell = tell
        self._waiting: deque[tuple[Pending, deque[Reaction]]] = deque()

    def carry_out(self, reactions: Iterable[Reaction]) -> Pending | None:
        """Begin all of them; return what is still to be waited for, if anything is.

        Blocking effects run one after another: the first error ends the rest and is raised, here
        or to who awaits (D8), and is told as an event where nobody does. A concurrent one runs
        beside them, its error always told as an event (D9). For an action that brings about more
        reactions there is nothing to await: they wait for it. Raises `session.queue_full`.
        """
        rest = deque(reactions)
        if not self._waiting:
            self._at_once(rest)
        if not rest:
            return None
        if len(self._waiting) >= _MAX_WAITING:
            raise LiveHandleError(
                "session.queue_full",
                f"The reactions to {_MAX_WAITING} events wait for a rule's action: give it a "
                "timeout, or make it concurrent.",
            )
        pending = Pending()
        if not self._waiting:
            self._start(self._work)
        self._waiting.append((pending, rest))
        return None if _acting.get() else pending

    async def _work(self) -> None:
        try:
            while self._waiting:
                pending, rest = self._waiting[0]
                error = await self._the_rest(rest)
                self._waiting.popleft()
                pending.finish(error)
                if error is not None and not pending.awaited:
                    self._tell(_failed(rest[0], error))
        finally:
            for pending, _ in self._waiting:  # cancelled: the handle closes
                why = "The handle was closed before the reactions of its rules were done."
                pending.finish(LiveHandleError("session.ended", why))
            self._waiting.clear()

    async def _the_rest(self, rest: deque[Reaction]) -> Exception | None:
        """Carry out what is left; return the error of the first that is left then."""
        try:
            while rest:
                self._at_once(rest)
                if rest:
                    await self._act(rest[0])
                    rest.popleft()
        except Exception as error:  # noqa: BLE001 - raised to who awaits, or told
            return error
        return None

    def _at_once(self, rest: deque[Reaction]) -> None:
        """Carry out everything before the first action that is to be waited for."""
        while rest:
            reaction = rest[0]
            if reaction.policy.mode == "concurrent":
                self._beside(reaction)
            elif isinstance(reaction.effect, Run):
                return
            else:
                self._do(reaction.effect)
            rest.popleft()

    def _beside(self, reaction: Reaction) -> None:
        if isinstance(reaction.effect, Run):
            self._start(partial(self._act_beside, reaction))
            return
        try:
            self._do(reaction.effect)
        except Exception as error:  # noqa: BLE001 - told as an event
            self._tell(_failed(reaction, error))

    async def _act_beside(self, reaction: Reaction) -> None:
        try:
            await self._await(reaction)
        except Exception as error:  # noqa: BLE001 - told as an event
            self._tell(_failed(reaction, error))

    async def _act(self, reaction: Reaction) -> None:
        token = _acting.set(True)
        try:
            await self._await(reaction)
        finally:
            _acting.reset(token)

    async def _await(self, reaction: Reaction) -> None:
        assert isinstance(reaction.effect, Run)
        seconds = reaction.policy.timeout_s
        try:
            with anyio.move_on_after(seconds) as scope:
                await reaction.effect.action()
        except anyio.get_cancelled_exc_class() as error:
            # Of this task, or of something that the action has waited for: only the first goes on,
            # for the second would take the whole handle with it.
            await checkpoint_if_cancelled()
            raise LiveHandleError(
                "session.reaction", f"The action of {reaction.source!r} was cancelled."
            ) from error
        if scope.cancelled_caught:
            raise LiveHandleError(
                "session.timeout",
                f"The action of {reaction.source!r} was not done within {seconds:g} s.",
                phase="active",
                elapsed_ms=round(1000 * (seconds or 0)),
            )

    def _do(self, effect: Effect) -> None:
        match effect:
            case PromptModel():
                self._outlet.prompt_model()
            case CancelDeferredPrompt():
                self._outlet.cancel_prompt()
            case SignalUserActivityStart():
                self._outlet.mark(start=True)
            case SignalUserActivityEnd():
                self._outlet.mark(start=False)
            case UpdateInstruction():
                self._outlet.update_instruction(effect.instruction)
            case SendContext():
                self._outlet.send_context(effect)
            case Run():
                raise AssertionError("an action is awaited, never done in passing")


def _failed(reaction: Reaction, error: Exception) -> LiveHandleError:
    """Return the error that tells of another, by the rule it comes from."""
    name = error.name if isinstance(error, LiveHandleError) else "session.reaction"
    why = str(error) or type(error).__name__
    return LiveHandleError(
        name, f"The reaction {reaction.source!r} failed: {why}", reaction=reaction.source
    )
