"""Where the socket and the configuration are: one rule for the daemon and every client."""

import os
import re
import stat
import warnings
from collections.abc import Mapping

from livehandle_proto.errors import LiveHandleError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

MAX_SOCKET_PATH_BYTES = 107
"""The kernel's limit: `sun_path` holds 108 bytes, the last of them NUL."""

_INSTANCE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def instance_name(flag: str | None, environ: Mapping[str, str]) -> str:
    """Return the instance: `--instance`, else `$LIVEHANDLE_INSTANCE`, else `default`.

    Raises `config.invalid` for a name that could not be one file name.
    """
    name = flag or environ.get("LIVEHANDLE_INSTANCE") or "default"
    if not _INSTANCE.fullmatch(name) or name in {".", ".."}:
        raise LiveHandleError(
            "config.invalid",
            f"The instance name {name!r} is not usable: give 1 to 64 of A-Z a-z 0-9 . _ -",
            param="instance",
            expected="1 to 64 of A-Z a-z 0-9 . _ -, not . or ..",
        )
    return name


def socket_path(
    socket_flag: str | None, instance_flag: str | None, environ: Mapping[str, str]
) -> "Path":
    """Return the socket's path: `--socket`, else `$LIVEHANDLE_SOCKET`, else by instance.

    Raises `config.invalid` where the path is longer than the kernel can bind.
    """
    from pathlib import Path

    return Path(socket_file(socket_flag, instance_flag, environ))


def socket_file(
    socket_flag: str | None, instance_flag: str | None, environ: Mapping[str, str]
) -> str:
    """Return `socket_path` as text, without the time that it takes to import `pathlib`."""
    explicit = socket_flag or environ.get("LIVEHANDLE_SOCKET")
    if explicit:
        path = os.path.abspath(explicit)  # noqa: PTH100
    else:
        name = instance_name(instance_flag, environ)
        path = f"{_runtime_directory()}/{name}.sock"
    length = len(os.fsencode(path))
    if length > MAX_SOCKET_PATH_BYTES:
        raise LiveHandleError(
            "config.invalid",
            f"The socket path is {length} bytes long and the limit is {MAX_SOCKET_PATH_BYTES}: "
            f"give a shorter --socket than {path}",
            param="socket",
            expected=f"at most {MAX_SOCKET_PATH_BYTES} bytes",
        )
    return path


def refuse_two_names(
    socket_flag: str | None, instance_flag: str | None, environ: Mapping[str, str]
) -> None:
    """Refuse a command line whose `--instance` would mean nothing, or that names nothing.

    Raises `config.invalid`.
    """
    for flag, given in (("--socket", socket_flag), ("--instance", instance_flag)):
        if given == "":
            raise LiveHandleError("config.invalid", f"{flag} is empty: give it, or leave it out.")
    if instance_flag and (socket_flag or environ.get("LIVEHANDLE_SOCKET")):
        other, remedy = "$LIVEHANDLE_SOCKET", "unset the variable"
        if socket_flag:
            other, remedy = "--socket", "give one of them"
        raise LiveHandleError(
            "config.invalid", f"--instance and {other} name two daemons: {remedy}."
        )


def config_file(flag: str | None, environ: Mapping[str, str]) -> str:
    """Return the configuration file: `--config`, else `$LIVEHANDLE_CONFIG`, else the default one.

    The last need not exist.
    """
    named = flag or environ.get("LIVEHANDLE_CONFIG")
    return os.path.abspath(named) if named else default_config_file(environ)  # noqa: PTH100


def default_config_file(environ: Mapping[str, str]) -> str:
    """Return the configuration file where none is named: a system service's, else the user's.

    systemd names the service's directory in `$CONFIGURATION_DIRECTORY`.
    """
    given = environ.get("CONFIGURATION_DIRECTORY", "").partition(":")[0]
    if given:
        return f"{given}/config.toml"
    from platformdirs import user_config_path  # not needed with a path

    return str(user_config_path("livehandle", appauthor=False) / "config.toml")


def _runtime_directory() -> str:
    login = f"/run/user/{os.geteuid()}"
    if os.environ.get("XDG_RUNTIME_DIR", login) == login and _is_private(login):
        # What platformdirs answers after a login, without the time that its import takes.
        return f"{login}/livehandle"

    from platformdirs import user_runtime_path

    try:
        # Without a usable XDG_RUNTIME_DIR it warns and goes to a directory as private.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(user_runtime_path("livehandle", appauthor=False))
    except PermissionError as error:
        raise LiveHandleError(
            "config.invalid",
            f"Set XDG_RUNTIME_DIR or give --socket, there is no private directory: {error}",
            param="socket",
            expected="a directory of mode 0700 that is this user's own",
        ) from error


def _is_private(directory: str) -> bool:
    """Whether it is a directory of this user's own that nobody else can look into."""
    try:
        status = os.lstat(directory)
    except OSError:
        return False
    return status.st_uid == os.geteuid() and status.st_mode == stat.S_IFDIR | 0o700
