"""The snapshot on disk: whole or not at all, and nobody else's."""

import errno
import os
import random
import resource
import stat
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from livehandle_proto.methods import ToolAnswer
from livehandle_proto.topics import Usage
from livehandle_proto.transcripts import ToolUse, TranscriptTurn
from livehandle_proto.values import FunctionCall as Call
from livehandled import store as module
from livehandled.context import SavedContext
from livehandled.gemini.content import Content, FunctionCall, Part
from livehandled.latency import BOUNDS_MS, RECENT, SavedLatency, Source
from livehandled.migrations import VERSION
from livehandled.session.handles import Kept
from livehandled.session.history import Told
from livehandled.session.outbox import Kind, Message
from livehandled.state import SavedState
from livehandled.store import Snapshot, Store, encode, snapshot_path
from livehandled.telemetry import SavedTelemetry
from livehandled.transcript import SavedTranscript
from support import saved
from support.saved import SECRETS, snapshot, whole

NOBODY = 65_534

# What is in a snapshot.

texts = st.text(max_size=20)
counts = st.integers(0, 2**53)
objects = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
trees = st.dictionaries(texts, objects, max_size=3)
raws = objects.map(lambda value: Raw(module._encoder.encode(value)))
latencies = st.builds(
    SavedLatency,
    count=counts,
    last_ms=counts,
    min_ms=counts,
    max_ms=counts,
    total_ms=counts,
    recent=st.lists(counts, max_size=RECENT),
    buckets=st.lists(counts, min_size=len(BOUNDS_MS) + 1, max_size=len(BOUNDS_MS) + 1),
)
sources: st.SearchStrategy[Source] = st.sampled_from(
    ("server_vad", "client_vad", "activity_end", "text")
)
telemetries = st.builds(
    SavedTelemetry,
    **{name: counts for name in SavedTelemetry.__struct_fields__ if name != "usage"}
    | {
        "usage": st.builds(Usage, total_token_count=st.none() | counts),
        "tokens_by_modality": st.dictionaries(texts, st.dictionaries(texts, counts), max_size=3),
        "response_latency": latencies,
        "response_latency_by_source": st.dictionaries(sources, latencies, max_size=2),
    },
)
turns = st.builds(
    TranscriptTurn,
    turn_number=counts,
    user=texts,
    model=texts,
    tool_calls=st.lists(st.builds(ToolUse, name=texts, args=texts, result=texts), max_size=2),
    interrupted=st.booleans(),
)
parts = st.builds(Part, text=texts) | st.builds(
    Part, function_call=st.builds(FunctionCall, id=texts, name=texts, args=trees)
)
contents = st.builds(Content, parts=st.lists(parts, max_size=3), role=st.none() | texts)
kinds: st.SearchStrategy[Kind] = st.sampled_from(("text", "context", "tool"))
messages = st.builds(
    Message,
    frame=st.binary(max_size=20),
    kind=kinds,
    contents=st.lists(contents, max_size=2),
    answers=st.lists(
        st.tuples(
            st.builds(Call, id=texts, name=texts, args=trees),
            st.builds(ToolAnswer, id=texts, name=texts, response=objects),
        ),
        max_size=2,
    ),
)
snapshots = st.builds(
    Snapshot,
    session_id=st.none() | texts,
    model=texts,
    backend=texts,
    overrides=trees,
    instruction=st.none() | texts,
    handle=st.none()
    | st.builds(Kept, handle=texts, model=texts, backend=texts, fingerprint=texts, at_ms=counts),
    covered_turns=counts,
    turns=counts,
    reconnects=counts,
    state=st.builds(SavedState, cursor=counts, values=st.dictionaries(texts, raws, max_size=4)),
    transcript=st.builds(
        SavedTranscript, turns=st.lists(turns, max_size=3), number=counts, user=texts
    ),
    telemetry=telemetries,
    context=st.builds(
        SavedContext, turns=st.lists(contents, max_size=3), prompt_armed=st.booleans()
    ),
    calls=st.just([]),
    unsent=st.lists(messages, max_size=3),
    owed=st.booleans(),
    told=st.lists(st.builds(Told, st.sampled_from(["user", "model"]), texts, counts), max_size=3),
    since=st.lists(st.builds(Told, st.sampled_from(["user", "model"]), texts, counts), max_size=3),
    open=st.booleans(),
    saved_at_ms=counts,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "default.snapshot"


@pytest.fixture
def store(path: Path) -> Store:
    return Store(path)


@pytest.fixture
def home() -> Iterator[Path]:
    """Be a user whom modes hold back, in a directory of one's own."""
    with tempfile.TemporaryDirectory() as directory:
        root = os.geteuid() == 0
        if root:
            os.chown(directory, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            yield Path(directory)
        finally:
            if root:
                os.seteuid(0)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def bad(path: Path) -> Path:
    return path.with_name(path.name + ".bad")


def files(path: Path) -> list[str]:
    return sorted(found.name for found in path.parent.iterdir())


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(data)


def written(number: int = 1) -> bytes:
    """Return a file as it is saved."""
    body = encode(snapshot(number))
    return b"livehandle snapshot 1 %08x\n%s" % (zlib.crc32(body), body)


def check_set_aside(store: Store, why: str) -> None:
    """Expect that the file is set aside, with a complaint that tells nothing of its content."""
    assert store.load() is None
    assert why in store.complaint
    assert store.complaint.endswith(".")
    assert not any(secret in store.complaint for secret in SECRETS)
    assert files(store.path) == [bad(store.path).name]
    assert store.load() is None
    assert store.complaint == ""


# What is saved is found again.


@given(snapshots)
def test_a_snapshot_is_found_as_it_was_saved(given_one: Snapshot) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory, "s.snapshot"))
        store.save(encode(given_one))
        found = store.load()
    assert store.complaint == ""
    assert found == given_one


def test_without_a_file_or_a_directory_there_is_nothing_and_no_complaint(store: Store) -> None:
    assert store.load() is None
    store.path.parent.mkdir(mode=0o700)
    assert store.load() is None
    assert store.complaint == ""


def test_the_newest_snapshot_is_found_and_nothing_else_is_left(store: Store) -> None:
    for number in (1, 2, 3):
        store.save(encode(snapshot(number)))
    found = store.load()
    assert found is not None
    assert found.turns == 3
    assert files(store.path) == [store.path.name]


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_the_file_is_0600_and_the_directory_0700_whatever_the_umask(
    store: Store, umask: int
) -> None:
    store.path.parent.parent.chmod(0o755)
    old = os.umask(umask & 0o077)
    try:
        store.save(encode(snapshot()))
        os.umask(umask)
        store.save(encode(snapshot()))
    finally:
        os.umask(old)
    assert mode(store.path) == 0o600
    assert mode(store.path.parent) == 0o700


def test_a_directory_that_others_may_read_is_used(store: Store) -> None:
    store.path.parent.mkdir(mode=0o755)
    store.save(encode(snapshot()))
    assert store.load() == snapshot()


def test_the_repr_of_a_snapshot_shows_no_content() -> None:
    shown = f"{snapshot()!r} {snapshot()}"
    assert not any(secret in shown for secret in SECRETS)
    assert "session-1" in shown


def test_what_is_no_json_is_not_encoded() -> None:
    for value in (object(), "\ud800"):
        with pytest.raises((TypeError, ValueError)):
            encode(replace(snapshot(), overrides={"setup": value}))


# Damage.


def test_a_file_cut_off_at_any_byte_is_never_taken(store: Store) -> None:
    data = written()
    assert len(data) < 4000
    for length in range(len(data)):
        put(store.path, data[:length])
        assert store.load() is None
        assert store.complaint
    put(store.path, data)
    assert store.load() == snapshot()


def test_a_file_with_any_bit_turned_is_never_taken(store: Store) -> None:
    data = written()
    for place in range(len(data)):
        turned = bytearray(data)
        turned[place] ^= 1 << place % 8
        put(store.path, bytes(turned))
        assert store.load() is None
        assert store.complaint


@given(st.binary(max_size=200))
def test_garbage_is_never_taken(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory, "s.snapshot"))
        put(store.path, data)
        check_set_aside(store, "damaged")


def _with_crc(body: bytes, version: int = VERSION) -> bytes:
    return b"livehandle snapshot %d %08x\n%s" % (version, zlib.crc32(body), body)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "damaged"),
        (b"\0" * 4096, "damaged"),
        (_with_crc(encode(snapshot()), version=0), "another version"),
        (_with_crc(encode(snapshot()), version=VERSION + 1), "another version"),
        (_with_crc(encode(snapshot()), version=999_999_999), "another version"),
        (_with_crc(b"[]", version=1), "form of a snapshot"),
        (_with_crc(b"{}", version=1), "form of a snapshot"),
        (_with_crc(b'{"telemetry":[]}', version=1), "form of a snapshot"),
        (_with_crc(b"{}"), "form of a snapshot"),
        (_with_crc(b"[]"), "form of a snapshot"),
        (_with_crc(b"\xff"), "form of a snapshot"),
        (_with_crc(b'{"session_id":"\xff"}'), "form of a snapshot"),
        (_with_crc(b'{"overrides":' + b'{"a":' * 100_000), "form of a snapshot"),
        (_with_crc(encode(snapshot())[:-1] + b',"new_field":1}'), "form of a snapshot"),
        (_with_crc(encode(snapshot()).replace(b'"buckets":[0,', b'"buckets":[')), "form of"),
    ],
)
def test_what_is_no_snapshot_is_set_aside(store: Store, data: bytes, why: str) -> None:
    put(store.path, data)
    check_set_aside(store, why)


def test_of_the_files_set_aside_the_last_one_is_kept(store: Store) -> None:
    for data in (b"first", b"second"):
        put(store.path, data)
        assert store.load() is None
    assert bad(store.path).read_bytes() == b"second"
    assert mode(bad(store.path)) == 0o600


def test_a_complaint_ends_with_what_it_was_about(store: Store) -> None:
    put(store.path, b"bad")
    store.load()
    store.save(encode(snapshot()))
    assert store.load() == snapshot()
    assert store.complaint == ""


def test_a_file_beyond_all_bounds_is_not_read(store: Store) -> None:
    put(store.path, b"")
    os.truncate(store.path, module.MAX_BYTES + 1)
    check_set_aside(store, "too large")


def test_a_snapshot_beyond_all_bounds_is_not_written(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(encode(snapshot()))
    monkeypatch.setattr(module, "MAX_BYTES", 10_000)
    with pytest.raises(OSError, match="too large"):
        store.save(encode(snapshot(size=10_000)))
    assert store.load() == snapshot()


# Others.


@pytest.mark.parametrize("wide", [0o640, 0o604, 0o620, 0o601, 0o777])
def test_a_file_open_to_others_is_set_aside_and_closed_to_them(store: Store, wide: int) -> None:
    store.save(encode(snapshot()))
    store.path.chmod(wide)
    check_set_aside(store, "others could read it")
    assert mode(bad(store.path)) == 0o600


def test_another_users_file_is_set_aside(store: Store) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    store.save(encode(snapshot()))
    os.chown(store.path, NOBODY, NOBODY)
    check_set_aside(store, "another user's")


def _symbolic_link(path: Path) -> None:
    put(path.parent.with_name("elsewhere"), written())
    path.symlink_to(path.parent.with_name("elsewhere"))


@pytest.mark.parametrize("make", [_symbolic_link, os.mkfifo, Path.mkdir])
def test_what_is_no_file_is_set_aside_unread(store: Store, make: Callable[[Path], None]) -> None:
    store.path.parent.mkdir(mode=0o700)
    make(store.path)
    check_set_aside(store, "no snapshot to go on from")


def test_a_link_is_replaced_and_what_it_leads_to_is_untouched(store: Store) -> None:
    store.path.parent.mkdir(mode=0o700)
    _symbolic_link(store.path)
    new = store.path.with_name(f".{store.path.name}.new")
    new.symlink_to(store.path.parent.with_name("elsewhere"))
    store.save(encode(snapshot(2)))
    assert store.load() == snapshot(2)
    assert store.path.parent.with_name("elsewhere").read_bytes() == written()
    assert files(store.path) == [store.path.name]


def test_what_cannot_be_set_aside_is_complained_of(store: Store) -> None:
    put(store.path, b"bad")
    bad(store.path).mkdir()
    assert store.load() is None
    assert "cannot be set aside" in store.complaint


def _link_to_a_directory(path: Path) -> None:
    path.with_name("real").mkdir(mode=0o700)
    path.symlink_to("real")


def _writable(path: Path) -> None:
    path.mkdir()
    path.chmod(0o770)


def _anothers(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives directories away")
    path.mkdir(mode=0o700)
    os.chown(path, NOBODY, NOBODY)


@pytest.mark.parametrize("make", [_link_to_a_directory, _writable, _anothers, Path.touch])
def test_a_directory_that_is_not_this_users_alone_is_not_used(
    store: Store, make: Callable[[Path], None]
) -> None:
    make(store.path.parent)
    assert store.load() is None
    assert "cannot hold" in store.complaint
    with pytest.raises(OSError, match=r".+"):
        store.save(encode(snapshot()))
    assert not store.path.is_file()


def test_a_directory_that_cannot_be_written_to_is_an_error_and_the_old_one_stays(
    home: Path,
) -> None:
    store = Store(home / "state" / "s.snapshot")
    store.save(encode(snapshot()))
    store.path.parent.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            store.save(encode(snapshot(2)))
        assert store.load() == snapshot()
    finally:
        store.path.parent.chmod(0o700)


def test_a_directory_that_cannot_be_made_is_an_error(home: Path) -> None:
    home.chmod(0o500)
    with pytest.raises(PermissionError):
        Store(home / "state" / "s.snapshot").save(encode(snapshot()))


def test_a_file_that_cannot_be_read_is_set_aside(home: Path) -> None:
    store = Store(home / "s.snapshot")
    store.save(encode(snapshot()))
    store.path.chmod(0o000)
    check_set_aside(store, "Permission denied")


# What is removed.


def test_all_that_was_kept_is_removed_and_what_is_not_there_is_no_complaint(store: Store) -> None:
    assert store.remove() == ""
    put(store.path, b"damaged")
    assert store.load() is None
    store.save(encode(snapshot()))
    store.path.with_name(f".{store.path.name}.new").touch()
    assert store.remove() == ""
    assert files(store.path) == []


def test_what_cannot_be_removed_is_told_and_the_rest_is_removed(home: Path) -> None:
    store = Store(home / "s.snapshot")
    store.path.mkdir()
    bad(store.path).touch()
    assert str(store.path) in (complaint := store.remove())
    assert complaint.endswith(".")
    assert files(store.path) == [store.path.name]
    home.chmod(0o500)
    store = Store(home / "t.snapshot")
    assert store.remove() == ""
    home.chmod(0o000)
    try:
        assert "Permission denied" in store.remove()
    finally:
        home.chmod(0o700)


# A disk that is full, or fails.


def _full_after(size: int) -> Callable[[int, bytes], int]:
    """Return a `write` with room for so many bytes, which takes a few at a time."""
    room = size

    def write(_file: int, data: bytes) -> int:
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = min(room, len(data), 1000)
        room -= taken
        return taken

    return write


@pytest.mark.parametrize("size", [0, 10, 2500])
def test_on_a_full_disk_the_old_snapshot_stays_and_the_new_takes_no_room(
    store: Store, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    store.save(encode(snapshot()))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _full_after(size))
        with pytest.raises(OSError, match="No space left"):
            store.save(encode(snapshot(2, size=5000)))
    assert files(store.path) == [store.path.name]
    assert store.load() == snapshot()


@pytest.mark.parametrize("name", ["fsync", "rename", "fchmod"])
def test_whatever_fails_the_old_snapshot_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    store.save(encode(snapshot()))
    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises(OSError, match="Input/output"):
            store.save(encode(snapshot(2)))
    assert files(store.path) == [store.path.name]
    assert store.load() == snapshot()


def test_what_is_written_in_small_pieces_is_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:100]))
    store.save(encode(snapshot(size=2000)))
    assert store.load() == snapshot(size=2000)


def test_a_files_largest_size_is_kept_to(store: Store) -> None:
    """The kernel refuses to go on in the middle, as on a disk that fills up."""
    store.save(encode(snapshot(size=100_000)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    child = subprocess.run(
        [sys.executable, saved.__file__, store.path, "7"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1])),
        capture_output=True,
        check=False,
    )
    assert b"File too large" in child.stderr
    found = store.load()
    assert found is not None
    assert whole(found)
    assert found.turns == int(child.stdout.split()[-1] if child.stdout else 1)
    assert files(store.path) == [store.path.name]


def test_the_data_is_on_the_disk_before_the_name_and_the_name_before_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.path.parent.mkdir(mode=0o700)
    steps: list[str] = []
    for name in ("write", "fsync", "rename"):
        monkeypatch.setattr(os, name, _noting(steps, name, getattr(os, name)))
    store.save(encode(snapshot()))
    assert steps == ["write", "write", "fsync", "rename", "fsync"]


def _noting(steps: list[str], name: str, real: Callable[..., object]) -> Callable[..., object]:
    def noting(*args: object, **kwargs: object) -> object:
        steps.append(name)
        return real(*args, **kwargs)

    return noting


@pytest.mark.parametrize("seed", range(20))
def test_a_process_killed_at_any_moment_leaves_a_whole_snapshot(store: Store, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # nobody is to be kept from guessing it
    with subprocess.Popen(
        [sys.executable, saved.__file__, store.path, "0"], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        told = 0
        for _ in range(chance.randint(1, 5)):
            told = int(child.stdout.readline())
        time.sleep(chance.uniform(0, 0.01))  # this is the random moment
        child.kill()
        told = int(([*child.stdout] or [b"%d" % told])[-1])
    found = store.load()
    assert store.complaint == ""
    assert found is not None
    assert whole(found)
    assert told <= found.turns <= told + 1
    store.save(encode(snapshot()))
    assert files(store.path) == [store.path.name]


# Where it is.


def test_two_sockets_of_one_name_have_two_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/home/user/.local/state")
    found = [snapshot_path(Path(socket), {}) for socket in ("/a/x.sock", "/b/x.sock", "/a/x.sock")]
    assert found[0] == found[2] != found[1]
    for path in found:
        assert str(path.parent) == "/home/user/.local/state/livehandle"
        assert path.name.startswith("x-")
        assert path.suffix == ".snapshot"


def test_the_directory_that_systemd_gives_wins(tmp_path: Path) -> None:
    real = tmp_path / "private"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    given = {"STATE_DIRECTORY": f"{tmp_path / 'link'}:/elsewhere"}
    assert snapshot_path(Path("/a/x.sock"), given).parent == real
