"""Where the description of the control socket is: its text, made by `livehandle_proto.openrpc`."""

from pathlib import Path

FILE = Path(__file__).with_name("openrpc.json")
"""The OpenRPC document."""
