"""The microphone and the speaker, which one connection has at a time."""

from collections.abc import Mapping

from livehandle_proto.errors import LiveHandleError


def check_role(data: Mapping[str, object], me: object, command: str) -> None:
    """Look at `daemon.claim_changed`: `me` is the connection's id, `command` takes a role back.

    Raises `roles.claimed` where a role was taken from us by force.
    """
    holder, previous = data.get("holder"), data.get("previous")
    if not isinstance(holder, dict) or not isinstance(previous, dict):
        return
    if data.get("reason") != "forced" or previous.get("connection") != me:
        return
    name = {"mic": "microphone"}.get(str(data.get("role")), "speaker")
    raise LiveHandleError(
        "roles.claimed",
        f"The {name} was taken by {holder.get('client') or 'a client'} (pid {holder.get('pid')}): "
        f"take it back with {command}.",
        role=data.get("role"),
        holder=holder,
    )
