"""Certificates; that one is trusted is in test_server."""

import sys
from pathlib import Path

import pytest

from livehandle_emulator.certificate import fresh_certificate
from livehandle_proto.errors import LiveHandleError


def test_without_the_extra_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(LiveHandleError, match="pip install trustme") as caught:
        fresh_certificate("127.0.0.1", tmp_path / "ca.pem")
    assert caught.value.name == "config.invalid"


def test_every_run_has_an_authority_of_its_own(tmp_path: Path) -> None:
    one, two = tmp_path / "one.pem", tmp_path / "two.pem"
    fresh_certificate("127.0.0.1", one)
    fresh_certificate("emulator.example", two)
    assert one.read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert one.read_text() != two.read_text()
