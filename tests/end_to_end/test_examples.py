"""Every example of the description is carried out, against a real daemon and its emulator."""

from livehandle_proto.methods import METHODS
from support.daemon import running_daemon
from support.kiosk import Kiosk, converse


def test_every_example_is_carried_out_and_answered_as_shown() -> None:
    with running_daemon("--emulator") as daemon, daemon.client() as client:
        kiosk = Kiosk(client)
        converse(kiosk)
    assert kiosk.differences.keys() == METHODS.keys()
    assert {name: found for name, found in kiosk.differences.items() if found} == {}
