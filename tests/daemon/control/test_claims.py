"""Who holds the microphone and the speaker: taken, refused, stolen, given up, lost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import get_args

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from livehandle_proto import roles as r
from livehandle_proto.errors import LiveHandleError
from livehandled.control.claims import Claims
from livehandled.control.credentials import Credentials

IDLE_S = 5.0
ROLES: tuple[r.Role, ...] = get_args(r.Role)

EACH_ROLE = pytest.mark.parametrize("role", ROLES)


@dataclass
class Client:
    """Stands for a connection. Two of them are equal, but never the same."""

    id: str = "c1"
    client: str = ""
    who: Credentials = field(default=Credentials(pid=10, uid=1000, gid=1000))

    @property
    def shown(self) -> r.Holder:
        return r.Holder(connection=self.id, client=self.client, pid=10, uid=1000)


class Told:
    """Claims, and what they tell of."""

    def __init__(self) -> None:
        self.changes: list[r.ClaimChange] = []
        self.looks: list[float | None] = []
        self.claims = Claims(
            mic_idle_s=IDLE_S,
            tell=self.changes.append,
            look=lambda: self.looks.append(self.claims.deadline),
        )

    @property
    def holders(self) -> tuple[r.Holder | None, r.Holder | None]:
        now = self.claims.holders()
        return now.mic, now.speaker

    def reasons(self) -> list[str]:
        return [change.reason for change in self.changes]

    def audio(self, client: Client, now: float = 0.0) -> None:
        """Send a frame that is taken, if it may be sent."""
        self.claims.check("mic", client, now)
        self.claims.audio_taken(client, now)

    def refused(self, act: Callable[..., None], *arguments: object) -> LiveHandleError:
        before = (self.holders, self.claims.deadline, len(self.changes))
        with pytest.raises(LiveHandleError) as caught:
            act(*arguments)
        assert (self.holders, self.claims.deadline, len(self.changes)) == before
        return caught.value


def change(
    role: r.Role, holder: Client | None, previous: Client | None, reason: r.ClaimReason
) -> r.ClaimChange:
    return r.ClaimChange(
        role=role,
        holder=None if holder is None else holder.shown,
        previous=None if previous is None else previous.shown,
        reason=reason,
    )


@pytest.fixture
def it() -> Told:
    return Told()


@pytest.fixture
def phone() -> Client:
    return Client("c1", "phone")


@pytest.fixture
def tablet() -> Client:
    return Client("c2", "tablet")


# A claim.


@EACH_ROLE
def test_a_role_that_nobody_holds_can_be_claimed_and_released(
    it: Told, phone: Client, role: r.Role
) -> None:
    it.claims.claim(role, phone, 0.0)
    assert it.claims.of(phone) == [role]
    it.claims.release(role, phone, 1.0)
    assert it.claims.of(phone) == []
    assert it.changes == [
        change(role, phone, None, "claimed"),
        change(role, None, phone, "released"),
    ]


@EACH_ROLE
@pytest.mark.parametrize("force", [False, True])
def test_to_claim_what_one_holds_changes_nothing(
    it: Told, phone: Client, role: r.Role, force: bool
) -> None:
    it.claims.claim(role, phone, 0.0)
    it.claims.claim(role, phone, 0.0, force=force)
    assert it.reasons() == ["claimed"]


@EACH_ROLE
def test_a_role_of_another_is_refused_in_a_sentence_that_names_the_holder(
    it: Told, phone: Client, tablet: Client, role: r.Role
) -> None:
    it.claims.claim(role, phone, 0.0)
    error = it.refused(it.claims.claim, role, tablet, 0.0)
    assert (error.name, error.retryable) == ("roles.claimed", True)
    name = {"mic": "microphone", "speaker": "speaker"}[role]
    assert error.message == (
        f"The {name} is held by 'phone', process 10: wait until it is free, or claim it with force."
    )
    assert error.data["role"] == role
    assert msgspec.convert(error.data["holder"], r.Holder) == phone.shown
    assert msgspec.json.encode(error.to_json())


def test_a_holder_without_a_name_is_named_by_its_process(it: Told, tablet: Client) -> None:
    nameless = Client("c1")
    it.claims.claim("mic", nameless, 0.0)
    assert "is held by process 10:" in it.refused(it.claims.claim, "mic", tablet, 0.0).message


@EACH_ROLE
def test_force_takes_a_role_from_its_holder_and_tells(
    it: Told, phone: Client, tablet: Client, role: r.Role
) -> None:
    it.claims.claim(role, phone, 0.0)
    it.claims.claim(role, tablet, 0.0, force=True)
    assert it.changes[1:] == [change(role, tablet, phone, "forced")]
    assert it.refused(it.claims.check, role, phone, 0.0).name == "roles.claimed"
    it.claims.check(role, tablet, 0.0)


def test_force_needs_nobody_to_be_there(it: Told, phone: Client) -> None:
    it.claims.claim("mic", phone, 0.0, force=True)
    assert it.changes == [change("mic", phone, None, "claimed")]


def test_the_roles_are_claimed_each_by_itself(it: Told, phone: Client, tablet: Client) -> None:
    it.claims.claim("mic", phone, 0.0)
    it.claims.claim("speaker", tablet, 0.0)
    assert it.holders == (phone.shown, tablet.shown)
    it.claims.claim("speaker", phone, 0.0, force=True)
    assert sorted(it.claims.of(phone)) == ["mic", "speaker"]
    assert it.claims.of(tablet) == []


@EACH_ROLE
def test_while_nobody_holds_a_role_anybody_passes(it: Told, phone: Client, role: r.Role) -> None:
    it.claims.check(role, phone, 0.0)
    assert it.holders == (None, None)
    assert it.changes == []


def test_equal_clients_are_told_apart(it: Told, phone: Client) -> None:
    it.claims.claim("mic", phone, 0.0)
    twin = Client(phone.id, phone.client)
    assert twin == phone
    assert it.refused(it.claims.check, "mic", twin, 0.0).name == "roles.claimed"
    assert it.claims.of(twin) == []
    it.claims.left(twin)
    assert it.claims.of(phone) == ["mic"]


def test_a_holder_is_shown_by_the_name_it_has_now(it: Told, phone: Client, tablet: Client) -> None:
    it.claims.claim("mic", phone, 0.0)
    phone.client = "kitchen"
    mic, _ = it.holders
    assert mic is not None
    assert mic.client == "kitchen"
    assert "'kitchen'" in it.refused(it.claims.claim, "mic", tablet, 0.0).message


# A release.


@EACH_ROLE
@pytest.mark.parametrize(
    ("held", "said"), [(False, "nobody does."), (True, "'phone', process 10 does.")]
)
def test_what_one_does_not_hold_cannot_be_released(
    it: Told, phone: Client, tablet: Client, role: r.Role, held: bool, said: str
) -> None:
    if held:
        it.claims.claim(role, phone, 0.0)
    error = it.refused(it.claims.release, role, tablet, 0.0)
    assert error.name == "roles.not_held"
    assert error.message.endswith(said)
    assert error.data["role"] == role
    assert ("holder" in error.data) == held


def test_a_client_that_has_gone_frees_all_it_held(it: Told, phone: Client, tablet: Client) -> None:
    for role in ROLES:
        it.claims.claim(role, phone, 0.0)
    it.claims.left(tablet)
    assert it.claims.of(phone) == list(ROLES)
    it.claims.left(phone)
    assert it.claims.of(phone) == []
    assert it.changes[2:] == [change(role, None, phone, "left") for role in ROLES]
    it.claims.left(phone)
    assert len(it.changes) == 4


# The microphone, taken by audio.


def test_the_first_audio_holds_the_microphone(it: Told, phone: Client, tablet: Client) -> None:
    it.audio(phone)
    assert it.changes == [change("mic", phone, None, "audio")]
    assert it.refused(it.audio, tablet).name == "roles.claimed"
    it.audio(phone)
    assert len(it.changes) == 1


def test_silence_frees_a_microphone_that_audio_took(it: Told, phone: Client) -> None:
    it.audio(phone, 1.0)
    assert it.looks == [1.0 + IDLE_S]
    it.audio(phone, 3.0)
    assert it.claims.deadline == 3.0 + IDLE_S
    assert len(it.looks) == 1  # the deadline went away, it did not come nearer
    it.claims.due(3.0 + IDLE_S - 0.1)
    assert it.claims.of(phone) == ["mic"]
    it.claims.due(3.0 + IDLE_S)
    assert it.changes[1:] == [change("mic", None, phone, "silent")]
    assert it.claims.deadline is None


@pytest.mark.parametrize("by", ["release", "silence", "leaving"])
def test_a_microphone_that_is_free_waits_for_no_silence(it: Told, phone: Client, by: str) -> None:
    it.audio(phone, 1.0)
    if by == "release":
        it.claims.release("mic", phone, 2.0)
    elif by == "silence":
        it.claims.due(1.0 + IDLE_S)
    else:
        it.claims.left(phone)
    assert it.claims.deadline is None
    assert not it.claims._by_audio


def test_silence_frees_no_microphone_that_was_claimed(it: Told, phone: Client) -> None:
    it.claims.claim("mic", phone, 0.0)
    it.audio(phone, 1.0)
    assert it.claims.deadline is None
    it.claims.due(1000.0)
    assert it.reasons() == ["claimed"]


def test_a_claim_by_who_took_it_by_audio_holds_through_silence_and_tells_nobody(
    it: Told, phone: Client
) -> None:
    it.audio(phone)
    it.claims.claim("mic", phone, 1.0)
    assert it.claims.deadline is None
    it.claims.due(1000.0)
    assert it.reasons() == ["audio"]
    it.claims.release("mic", phone, 1000.0)
    it.audio(phone, 1001.0)  # by audio, again
    assert it.claims.deadline == 1001.0 + IDLE_S


def test_what_audio_took_can_be_released_and_stolen(
    it: Told, phone: Client, tablet: Client
) -> None:
    it.audio(phone)
    it.claims.release("mic", phone, 0.0)
    it.audio(tablet)
    it.claims.claim("mic", phone, 0.0, force=True)
    assert it.reasons() == ["audio", "released", "audio", "forced"]
    assert it.claims.deadline is None  # the claim is one that lasts


def test_whose_microphone_was_stolen_cannot_take_it_back_by_audio(
    it: Told, phone: Client, tablet: Client
) -> None:
    it.audio(phone)
    it.claims.claim("mic", tablet, 0.0, force=True)
    assert it.refused(it.audio, phone).name == "roles.claimed"


def test_the_speaker_is_never_freed_by_silence(it: Told, phone: Client) -> None:
    it.claims.claim("speaker", phone, 0.0)
    it.claims.due(1000.0)
    assert it.reasons() == ["claimed"]


LATE = IDLE_S + 1.0


@pytest.mark.parametrize(
    ("act", "reasons"),
    [
        (lambda it, _phone, tablet: it.audio(tablet, LATE), ["audio", "silent", "audio"]),
        (
            lambda it, _phone, tablet: it.claims.claim("mic", tablet, LATE),
            ["audio", "silent", "claimed"],
        ),
        (
            lambda it, _phone, tablet: it.claims.claim("mic", tablet, LATE, force=True),
            ["audio", "silent", "claimed"],
        ),
        (lambda it, phone, _tablet: it.audio(phone, LATE), ["audio"]),
    ],
    ids=["audio", "claim", "force", "its own audio"],
)
def test_an_alarm_that_is_late_is_not_waited_for(
    it: Told,
    phone: Client,
    tablet: Client,
    act: Callable[[Told, Client, Client], None],
    reasons: list[str],
) -> None:
    it.audio(phone, 0.0)
    act(it, phone, tablet)
    assert it.reasons() == reasons


def test_a_release_that_comes_after_the_silence_is_told_so(it: Told, phone: Client) -> None:
    it.audio(phone, 0.0)
    with pytest.raises(LiveHandleError, match="nobody does"):
        it.claims.release("mic", phone, LATE)
    assert it.reasons() == ["audio", "silent"]


def test_after_the_end_nobody_is_told(it: Told, phone: Client, tablet: Client) -> None:
    it.audio(phone)
    it.claims.close()
    it.claims.left(phone)
    it.claims.claim("speaker", tablet, 0.0)
    assert it.reasons() == ["audio"]


# All of it, in any order.


def refusal(act: Callable[[], None]) -> str | None:
    """Do it; return the name of the error, if it is one."""
    try:
        act()
    except LiveHandleError as error:
        return error.name
    return None


class AnyOrder(RuleBasedStateMachine):
    """Whatever clients do, the changes that are told lead from nobody to who holds now."""

    def __init__(self) -> None:
        super().__init__()
        self.it = Told()
        self.clients = [Client(f"c{i}", f"n{i}") for i in range(3)]
        self.now = 0.0
        self.lasting = False
        """Whether the microphone is held by a claim."""

    @rule(seconds=st.sampled_from([0.5, IDLE_S]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.it.claims.due(self.now)

    @rule(who=st.integers(0, 2))
    def audio(self, who: int) -> None:
        held = self.it.claims.holders().mic
        refused = refusal(lambda: self.it.audio(self.clients[who], self.now))
        assert (refused == "roles.claimed") == (held not in {None, self.clients[who].shown})
        self.lasting &= held is not None

    @rule(who=st.integers(0, 2), role=st.sampled_from(ROLES), force=st.booleans())
    def claim(self, who: int, role: r.Role, force: bool) -> None:
        held = getattr(self.it.claims.holders(), role)
        client = self.clients[who]
        refused = refusal(lambda: self.it.claims.claim(role, client, self.now, force=force))
        assert (refused == "roles.claimed") == (held not in {None, client.shown} and not force)
        self.lasting |= refused is None and role == "mic"

    @rule(who=st.integers(0, 2), role=st.sampled_from(ROLES))
    def release(self, who: int, role: r.Role) -> None:
        client = self.clients[who]
        holds = role in self.it.claims.of(client)
        refused = refusal(lambda: self.it.claims.release(role, client, self.now))
        assert refused == (None if holds else "roles.not_held")

    @rule(who=st.integers(0, 2))
    def leaves(self, who: int) -> None:
        self.it.claims.left(self.clients[who])
        self.clients[who] = Client(f"c{who}", f"n{who}")

    @invariant()
    def the_changes_lead_here(self) -> None:
        held: dict[r.Role, r.Holder | None] = dict.fromkeys(ROLES)
        for one in self.it.changes:
            assert one.previous == held[one.role]
            assert one.previous != one.holder
            held[one.role] = one.holder
        assert self.it.holders == (held["mic"], held["speaker"])

    @invariant()
    def nobody_holds_who_is_not_there(self) -> None:
        for role in ROLES:
            holds = [role in self.it.claims.of(client) for client in self.clients]
            assert sum(holds) == (getattr(self.it.claims.holders(), role) is not None)

    @precondition(lambda self: self.it.claims.holders().mic is not None)
    @invariant()
    def only_audio_waits_for_silence(self) -> None:
        deadline = self.it.claims.deadline
        assert (deadline is None) == self.lasting
        assert deadline is None or deadline > self.now


AnyOrder.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestAnyOrder = AnyOrder.TestCase
