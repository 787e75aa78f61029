"""The parts of jsonrpcserver that dispatch, without its front door.

The package's own `__init__` brings a JSON Schema validator and an HTTP server: 60 ms and 4 MiB of
every start (measured), for requests that are decoded by type here and never come by HTTP. So its
modules are imported from a package that has its path and is not run. What imports the package
itself later gets all that it exports, made of these same modules; but they are no attributes of
it, so that `from jsonrpcserver import dispatcher` finds one and `jsonrpcserver.dispatcher` none.
"""

import sys
from importlib.util import find_spec, module_from_spec

_NAME = "jsonrpcserver"

_spec = find_spec(_NAME)
assert _spec is not None  # it is among the dependencies
_whole = sys.modules.get(_NAME)
sys.modules[_NAME] = _whole or module_from_spec(_spec)
try:
    from jsonrpcserver.async_dispatcher import call as call_async
    from jsonrpcserver.dispatcher import call as call_now
    from jsonrpcserver.dispatcher import to_response
    from jsonrpcserver.exceptions import JsonRpcError
    from jsonrpcserver.request import Request as Call
    from jsonrpcserver.response import to_serializable_one
    from jsonrpcserver.result import Result, Success
    from jsonrpcserver.sentinels import NOCONTEXT
finally:
    if _whole is None:
        del sys.modules[_NAME]

__all__ = [
    "NOCONTEXT",
    "Call",
    "JsonRpcError",
    "Result",
    "Success",
    "call_async",
    "call_now",
    "to_response",
    "to_serializable_one",
]
