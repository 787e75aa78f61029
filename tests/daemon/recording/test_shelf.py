"""Where recordings are."""

import os
from pathlib import Path

import pytest

from livehandle_proto.errors import LiveHandleError
from livehandled.recording.shelf import Place, Shelf

AT = 1_767_225_600_000


def written(shelf: Shelf, name: str | None = None, *, keep: int = 20, size: int = 1) -> Place:
    place = shelf.make(name, started_ms=AT, keep=keep)
    file = place.open("wire.jsonl")
    os.write(file, bytes(size))
    os.close(file)
    return place


def names(shelf: Shelf) -> list[str]:
    return [one.name for one in shelf.listed().recordings]


def aged(place: Place, seconds: int) -> None:
    """Have a recording be as old as its number tells."""
    os.utime(place.path / "wire.jsonl", (seconds, seconds))


def test_directories_and_files_are_this_users_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        place = written(Shelf(tmp_path / "a" / "shelf"), "call")
    finally:
        os.umask(before)
    assert place.path == tmp_path / "a" / "shelf" / "call.recording"
    for path, mode in ((place.path.parent, 0o700), (place.path, 0o700)):
        assert path.stat().st_mode & 0o777 == mode
    assert (place.path / "wire.jsonl").stat().st_mode & 0o777 == 0o600


def test_without_a_name_it_is_the_time(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    assert [written(shelf).name for _ in range(3)] == [
        *("20260101-000000", "20260101-000000-2", "20260101-000000-3"),
    ]


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    written(shelf, "call")
    with pytest.raises(LiveHandleError, match="give another name") as refused:
        written(shelf, "call")
    assert refused.value.name == "wire.invalid_params"
    assert names(shelf) == ["call"]


def test_the_oldest_leave_for_a_new_one(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    for number, name in enumerate("cab"):
        aged(written(shelf, name, keep=3), 1000 + number)
    written(shelf, "d", keep=3)
    assert names(shelf) == ["a", "b", "d"]
    written(shelf, "e", keep=1)
    assert names(shelf) == ["e"]


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    (tmp_path / "audio.wav").write_bytes(b"x")
    (tmp_path / "mine.recording").mkdir()
    (tmp_path / "mine.recording" / "notes").write_bytes(b"x")
    old = written(shelf, "old")
    (old.path / "notes").write_bytes(b"x")
    written(shelf, "new", keep=1)
    assert names(shelf) == ["new"]
    assert (tmp_path / "audio.wav").exists()
    assert (tmp_path / "mine.recording" / "notes").exists()
    assert (old.path / "notes").exists()


def test_the_list_tells_sizes_and_times(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    aged(written(shelf, "call", size=77), 5)
    listed = shelf.listed()
    assert listed.directory == str(tmp_path)
    assert [(one.name, one.bytes, one.modified_ms) for one in listed.recordings] == [
        ("call", 77, 5000)
    ]


def test_of_a_directory_that_is_not_there_nothing_is_listed(tmp_path: Path) -> None:
    assert names(Shelf(tmp_path / "none")) == []


def test_a_directory_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    for directory in (shared, link):
        with pytest.raises(PermissionError):
            written(Shelf(directory), "call")


def test_a_recording_that_could_not_begin_leaves_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.discard(written(shelf, "call"))
    assert list(tmp_path.iterdir()) == []
