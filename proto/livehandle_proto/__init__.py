"""The language that the daemon and its clients speak.

Typed catalogue of methods (`methods`), topics (`topics`) and errors (`errors`), the lines
they travel in (`envelope`), and the rule that finds the socket (`paths`). No sockets and no
event loop here. `errors`, `paths` and `suggest` need the standard library alone (`paths`
also platformdirs), so that a command-line client starts quickly.
"""

__version__ = "0.1.0"

API_LEVEL = 2
"""The level of the API: `proto/README.md` says what that is."""

API_COMPATIBLE = 1
"""The oldest level whose clients still work."""
