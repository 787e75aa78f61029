"""How a handler of one method is made one of any."""

from collections.abc import Callable
from typing import TypeVar

from livehandle_proto.values import Params
from livehandled.control.dispatch import Handler
from livehandled.control.peer import Peer

T = TypeVar("T", bound=Params)


def takes(params: type[T], handler: Callable[[Peer, T], object]) -> Handler[Peer]:
    """Return a handler of one kind of parameters as a handler of any: the catalogue's kind."""

    def checked(peer: Peer, given: Params) -> object:
        assert isinstance(given, params)
        return handler(peer, given)

    return checked
