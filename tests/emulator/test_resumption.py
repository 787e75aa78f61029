"""Sessions over their connections, by themselves; over whole sessions in test_resume."""

import pytest

from livehandle_emulator.closing import RefusedError
from livehandle_emulator.history import Entry, History
from livehandle_emulator.models import Model
from livehandle_emulator.resumption import Lineage, Owner, Past, Resumption, digest
from livehandle_emulator.scenario import ResumptionRules

MODEL = Model("gemini-3.8-live")
OWNER: Owner = (False, "key")
PAST = Past(
    entries=(
        Entry("user", "seed", "seed"),
        Entry("user", "asked", "typed"),
        Entry("model", "answer", "reply"),
        Entry("user", "context", "context"),
    ),
    texts=("context",),
    tokens=(("TEXT", 3.0),),
)


def ended(resumption: Resumption, at: float = 50.0) -> tuple[Lineage, str]:
    """Return a session whose one connection has ended, and a handle of it."""
    lineage = resumption.begin("s1", MODEL, OWNER)
    lineage.attach(1, History())
    handle = resumption.issue(lineage, PAST)
    lineage.detach(1, at)
    return lineage, handle


def refusal(
    resumption: Resumption,
    handle: str,
    *,
    model: Model = MODEL,
    owner: Owner = OWNER,
    now: float = 60.0,
) -> tuple[int, str]:
    with pytest.raises(RefusedError) as refused:
        resumption.resume(handle, model, owner, now)
    return refused.value.close


def test_a_handle_restores_what_was_there_when_it_was_issued() -> None:
    resumption = Resumption(ResumptionRules(), "e")
    lineage, handle = ended(resumption)
    assert resumption.resume(handle, MODEL, OWNER, 60.0) == (lineage, PAST)


def test_every_handle_is_new_and_that_of_an_older_point_is_good_too() -> None:
    resumption = Resumption(ResumptionRules(), "e")
    lineage, first = ended(resumption)
    second = resumption.issue(lineage, Past())
    other = ended(Resumption(ResumptionRules(), "f"))[1]
    assert len({first, second, other}) == 3
    assert resumption.resume(first, MODEL, OWNER, 60.0)[1] == PAST
    assert resumption.resume(second, MODEL, OWNER, 60.0)[1] == Past()


NOT_FOUND = (1008, "BidiGenerateContent session not found")
INVALID = (1007, "Invalid session handle")


def test_a_handle_of_another_emulator_is_not_found() -> None:
    _, handle = ended(Resumption(ResumptionRules(), "f"))
    assert refusal(Resumption(ResumptionRules(), "e"), handle) == NOT_FOUND


def test_a_handle_expires_some_time_after_the_last_connection() -> None:
    resumption = Resumption(ResumptionRules(handle_valid_ms=10_000), "e")
    lineage, handle = ended(resumption, at=50.0)
    resumption.resume(handle, MODEL, OWNER, 60.0)
    assert refusal(resumption, handle, now=60.1) == NOT_FOUND
    lineage.detach(1, 70.0)
    resumption.resume(handle, MODEL, OWNER, 80.0)


@pytest.mark.parametrize(
    ("model", "owner"),
    [(Model("gemini-2.5-live"), OWNER), (MODEL, (False, "other")), (MODEL, (True, None))],
)
def test_another_model_or_key_or_backend_makes_a_handle_invalid(model: Model, owner: Owner) -> None:
    resumption = Resumption(ResumptionRules(), "e")
    _, handle = ended(resumption)
    assert refusal(resumption, handle, model=model, owner=owner) == INVALID


def test_the_place_of_a_model_is_no_other_model() -> None:
    resumption = Resumption(ResumptionRules(), "e")
    _, handle = ended(resumption)
    resumption.resume(handle, Model(MODEL.id, "us-central1"), OWNER, 60.0)


def test_while_the_old_socket_is_open_a_resume_is_an_internal_error_or_allowed() -> None:
    for rule in ("refuse", "allow"):
        resumption = Resumption(ResumptionRules(old_socket=rule), "e")
        lineage, handle = ended(resumption)
        lineage.attach(2, History())
        if rule == "refuse":
            assert refusal(resumption, handle) == (1011, "Internal error encountered.")
        else:
            resumption.resume(handle, MODEL, OWNER, 60.0)


@pytest.mark.parametrize(
    ("forgets", "left"),
    [
        ("nothing", PAST),
        ("seed", PAST._replace(entries=PAST.entries[1:3], texts=())),
        ("everything", Past()),
    ],
)
def test_what_a_resume_forgets(forgets: str, left: Past) -> None:
    rules = ResumptionRules(forgets=forgets)  # type: ignore[arg-type]  # a table of strings
    resumption = Resumption(rules, "e")
    _, handle = ended(resumption)
    assert resumption.resume(handle, MODEL, OWNER, 60.0)[1] == left


def test_all_handles_can_be_forgotten() -> None:
    resumption = Resumption(ResumptionRules(), "e")
    lineage, handle = ended(resumption)
    resumption.forget()
    assert refusal(resumption, handle) == NOT_FOUND
    resumption.resume(resumption.issue(lineage, PAST), MODEL, OWNER, 60.0)


def test_the_oldest_handles_of_many_are_forgotten() -> None:
    resumption = Resumption(ResumptionRules(), "e")
    lineage, first = ended(resumption)
    handles = [resumption.issue(lineage, Past()) for _ in range(100)]
    assert refusal(resumption, first) == NOT_FOUND
    resumption.resume(handles[-64], MODEL, OWNER, 60.0)


def test_the_oldest_of_many_sessions_is_forgotten_unless_it_is_open() -> None:
    resumption = Resumption(ResumptionRules(), "e")
    resumption.begin("open", MODEL, OWNER).attach(7, History())
    _, handle = ended(resumption)
    for i in range(1000):
        resumption.begin(f"more {i}", MODEL, OWNER)
    assert len(resumption.lineages) == 1000
    assert "open" in resumption.lineages
    assert refusal(resumption, handle) == NOT_FOUND


def test_a_digest_does_not_show_its_handle() -> None:
    assert len(digest("abc")) == 8
    assert digest("abc") != digest("abd")
