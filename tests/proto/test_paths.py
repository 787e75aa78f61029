"""Where the socket is (protocol section 1)."""

import os
from pathlib import Path

import pytest

from livehandle_proto import paths
from livehandle_proto.errors import LiveHandleError
from livehandle_proto.paths import (
    MAX_SOCKET_PATH_BYTES,
    instance_name,
    refuse_two_names,
    socket_file,
    socket_path,
)


@pytest.fixture(autouse=True)
def runtime_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tmp_path.chmod(0o700)
    # platformdirs reads the process's own environment.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


SOCKET = {"LIVEHANDLE_SOCKET": "/env.sock"}
INSTANCE = {"LIVEHANDLE_INSTANCE": "work"}


@pytest.mark.parametrize(
    ("flag", "environ", "path"),
    [
        ("/flag.sock", {}, "/flag.sock"),
        ("/flag.sock", SOCKET, "/flag.sock"),
        (None, SOCKET, "/env.sock"),
        ("", SOCKET, "/env.sock"),
        (None, SOCKET | INSTANCE, "/env.sock"),
    ],
)
def test_a_socket_flag_wins_over_the_environment(
    flag: str | None, environ: dict[str, str], path: str
) -> None:
    assert socket_path(flag, None, environ) == Path(path)


@pytest.mark.parametrize(
    ("flag", "environ", "name"),
    [
        (None, {}, "default"),
        (None, {"LIVEHANDLE_SOCKET": "", "LIVEHANDLE_INSTANCE": ""}, "default"),
        (None, INSTANCE, "work"),
        ("home", INSTANCE, "home"),
    ],
)
def test_an_instance_has_its_socket_in_the_runtime_directory(
    runtime_dir: Path, flag: str | None, environ: dict[str, str], name: str
) -> None:
    assert socket_path(None, flag, environ) == runtime_dir / "livehandle" / f"{name}.sock"


@pytest.mark.parametrize("runtime", [None, "/"])
def test_without_a_private_runtime_directory_there_is_another_and_no_warning(
    runtime: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if runtime is None:
        monkeypatch.delenv("XDG_RUNTIME_DIR")
    else:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    path = socket_path(None, None, {})
    assert path.parts[-2:] == ("livehandle", "default.sock")
    assert path.parent.parent != Path("/")


def test_no_private_directory_at_all_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> Path:
        raise PermissionError("somebody else's")

    monkeypatch.setattr("platformdirs.user_runtime_path", refuse)
    with pytest.raises(LiveHandleError, match="Set XDG_RUNTIME_DIR") as refused:
        socket_path(None, None, {})
    assert refused.value.name == "config.invalid"


@pytest.mark.parametrize("variable", [None, f"/run/user/{os.geteuid()}"])
def test_after_a_login_the_directory_is_known_without_platformdirs(
    variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable is None:
        monkeypatch.delenv("XDG_RUNTIME_DIR")
    else:
        monkeypatch.setenv("XDG_RUNTIME_DIR", variable)
    monkeypatch.setattr(paths, "_is_private", lambda directory: directory.startswith("/run/user/"))
    monkeypatch.delattr("platformdirs.user_runtime_path")
    expected = f"/run/user/{os.geteuid()}/livehandle/default.sock"
    assert socket_file(None, None, {}) == expected


@pytest.mark.parametrize(("mode", "private"), [(0o700, True), (0o755, False), (0o1700, False)])
def test_a_directory_is_private_with_one_mode_alone(
    tmp_path: Path, mode: int, private: bool
) -> None:
    tmp_path.chmod(mode)
    assert paths._is_private(str(tmp_path)) is private


def test_a_link_a_file_or_nothing_is_no_private_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch(mode=0o700)
    found = [paths._is_private(str(tmp_path / name)) for name in ("link", "file", "nothing")]
    assert found == [False, False, False]


def test_a_relative_path_counts_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert socket_path("a.sock", None, {}) == tmp_path / "a.sock"


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "...", "x" * 64])
def test_a_usable_instance_name_is_taken(name: str) -> None:
    assert instance_name(name, {}) == name


@pytest.mark.parametrize("name", [".", "..", "a/b", "../a", "a b", "a\n", "é", "x" * 65, "\0"])
@pytest.mark.parametrize("by_flag", [True, False])
def test_a_name_that_is_no_file_name_is_refused(name: str, by_flag: bool) -> None:
    flag, environ = (name, {}) if by_flag else (None, {"LIVEHANDLE_INSTANCE": name})
    with pytest.raises(LiveHandleError) as refused:
        instance_name(flag, environ)
    assert refused.value.name == "config.invalid"
    assert refused.value.data["param"] == "instance"


def test_the_longest_path_the_kernel_takes_is_taken() -> None:
    path = "/" + "x" * (MAX_SOCKET_PATH_BYTES - 1)
    assert socket_path(path, None, {}) == Path(path)


@pytest.mark.parametrize("letter", ["x", "é", "\udce9"])
def test_a_longer_path_is_refused_with_the_limit_counted_in_bytes(letter: str) -> None:
    with pytest.raises(LiveHandleError, match="the limit is 107") as refused:
        socket_path("/" + letter * MAX_SOCKET_PATH_BYTES, None, {})
    assert refused.value.name == "config.invalid"
    assert refused.value.data["param"] == "socket"


@pytest.mark.parametrize(
    ("socket", "instance", "environ", "why"),
    [
        (None, "foo", SOCKET, r"--instance and \$LIVEHANDLE_SOCKET name two daemons"),
        (None, "a/b", SOCKET, r"--instance and \$LIVEHANDLE_SOCKET name two daemons"),
        ("/flag.sock", "foo", {}, "--instance and --socket name two daemons"),
        ("", None, {}, "--socket is empty"),
        (None, "", SOCKET, "--instance is empty"),
    ],
)
def test_a_flag_that_would_mean_nothing_is_refused(
    socket: str | None, instance: str | None, environ: dict[str, str], why: str
) -> None:
    with pytest.raises(LiveHandleError, match=why) as refused:
        refuse_two_names(socket, instance, environ)
    assert refused.value.name == "config.invalid"


@pytest.mark.parametrize(
    ("socket", "instance", "environ"),
    [(None, None, SOCKET | INSTANCE), ("/s", None, SOCKET), (None, "foo", INSTANCE)],
)
def test_the_environment_may_name_what_a_flag_goes_before(
    socket: str | None, instance: str | None, environ: dict[str, str]
) -> None:
    refuse_two_names(socket, instance, environ)
