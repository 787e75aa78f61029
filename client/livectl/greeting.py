"""The first words to a daemon: who we are, how long its lines may be, which API it speaks."""

from livehandle.connection import Connection, no_daemon_says
from livehandle_proto import API_LEVEL
from livehandle_proto.errors import LiveHandleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_MAX_LINE_BYTES = 16 * 2**20


class Greeted(Connection):
    """A connection on which the daemon may say which level of the API it speaks."""

    _level = API_LEVEL

    def greet(self, client: str) -> None:
        """Say which client this is. Raises what stands in the way."""
        hello = self.call("daemon.hello", client=client, max_line_bytes=_MAX_LINE_BYTES)
        if not isinstance(hello, dict):
            raise no_daemon_says(self._path)
        level, oldest = hello.get("api_level"), hello.get("api_compatible")
        if not isinstance(level, int) or not isinstance(oldest, int):
            raise no_daemon_says(self._path)
        self._level = level
        if oldest > API_LEVEL:
            raise self._other_level("update livectl")

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """Close it. What an older daemon has not yet is told as that."""
        super().__exit__(kind, error, traceback)
        unknown = isinstance(error, LiveHandleError) and error.name == "wire.method_not_found"
        if unknown and self._level < API_LEVEL:
            raise self._other_level("update livehandled, or start it again") from error

    def _other_level(self, remedy: str) -> LiveHandleError:
        return LiveHandleError(
            "wire.method_not_found",
            f"This daemon speaks API level {self._level}, and livectl {API_LEVEL}: {remedy}.",
        )
