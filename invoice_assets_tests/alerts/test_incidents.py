from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_assets.alerts.incidents import AlertPolicy, Notice, NoticeKind, advance, start_memory
from invoice_assets.alerts.memory import OVERLAP_S, Memory
from invoice_assets.alerts.observations import Observation, Severity
from invoice_assets_tests.alerts.examples import ERROR, KEYS_PRESENT, KEYS_UNIQUE, PASS, WARN, observe, outline

START = 1_795_380_000.0
POLICY = AlertPolicy()


def look(
    memory: Memory, *observations: Observation, now: float, policy: AlertPolicy = POLICY
) -> tuple[tuple[Notice, ...], Memory]:
    """One look after a restart: the memory comes out of its text."""
    return advance(Memory.from_json(memory.to_json()), observations, now=now, policy=policy)


def tell(
    *observations: Observation, current: Iterable[Observation] = (), now: float | None = None
) -> list[tuple[str, str, float]]:
    """What one look tells of observations, by a channel that began at `START`."""
    memory = start_memory(current, now=START)
    notices, _ = look(memory, *observations, now=now or max(seen.at for seen in observations))
    return [(kind, subject, at - START) for kind, subject, at in outline(notices)]


def test_a_check_that_begins_to_fail_is_told_once() -> None:
    first, memory = look(start_memory([], now=START), observe(START + 10, ERROR), now=START + 30)
    second, _ = look(memory, observe(START + 40, ERROR), now=START + 60)

    assert outline(first) == [("failed", KEYS_UNIQUE, START + 10)]
    assert second == ()


def test_a_check_that_passes_again_is_told_once() -> None:
    _, memory = look(start_memory([], now=START), observe(START + 10, ERROR), now=START + 30)
    first, memory = look(memory, observe(START + 40, PASS), now=START + 60)
    second, _ = look(memory, observe(START + 70, PASS), now=START + 90)

    assert outline(first) == [("recovered", KEYS_UNIQUE, START + 40)]
    assert first[0].since == START + 10
    assert second == ()


def test_a_check_that_passes_and_was_never_seen_to_fail_is_not_told() -> None:
    assert tell(observe(START + 10, PASS), observe(START + 20, PASS)) == []


def test_a_failure_and_its_recovery_between_two_looks_are_both_told_in_order() -> None:
    assert tell(observe(START + 20, PASS), observe(START + 10, WARN)) == [
        ("failed", KEYS_UNIQUE, 10),
        ("recovered", KEYS_UNIQUE, 20),
    ]


def test_subjects_are_told_apart() -> None:
    assert tell(observe(START + 10, ERROR), observe(START + 20, PASS, subject=KEYS_PRESENT)) == [
        ("failed", KEYS_UNIQUE, 10)
    ]


def test_a_warning_that_becomes_an_error_is_told() -> None:
    assert tell(observe(START + 10, WARN), observe(START + 20, ERROR))[1:] == [("worse", KEYS_UNIQUE, 20)]


def test_an_error_that_becomes_a_warning_is_not_told() -> None:
    assert tell(observe(START + 10, ERROR), observe(START + 20, WARN))[1:] == []


def test_an_error_that_was_a_warning_for_a_while_is_not_told_again() -> None:
    """It is measured by what its readers were told, and they know it as an error."""
    assert tell(observe(START + 10, ERROR), observe(START + 20, WARN), observe(START + 30, ERROR))[1:] == []


def test_an_error_that_was_called_a_warning_in_a_reminder_is_told_again() -> None:
    _, memory = look(start_memory([], now=START), observe(START + 10, ERROR), now=START + 10)
    _, memory = look(memory, observe(START + 20, WARN), now=START + 20)
    reminded, memory = look(memory, now=START + 2 * 86400)
    notices, _ = look(memory, observe(START + 2 * 86400 + 10, ERROR), now=START + 2 * 86400 + 20)

    assert [notice.observation.severity for notice in reminded] == [WARN]
    assert [notice.kind for notice in notices] == [NoticeKind.WORSE]


def test_a_failure_for_another_cause_is_told() -> None:
    assert tell(observe(START + 10, ERROR, cause="token"), observe(START + 20, ERROR, cause="quota"))[1:] == [
        ("worse", KEYS_UNIQUE, 20)
    ]


def test_a_failure_for_the_same_cause_is_not_told_again() -> None:
    """A run that is tried again fails for the same cause each time."""
    assert tell(*[observe(START + 10 * number, ERROR, cause="token") for number in range(1, 5)])[1:] == []


def test_another_cause_leaves_the_beginning_of_the_streak_as_it_was() -> None:
    observations = [observe(START + 10, ERROR, cause="token"), observe(START + 20, ERROR, cause="quota")]
    notices, _ = look(start_memory([], now=START), *observations, now=START + 30)

    assert [notice.since for notice in notices] == [START + 10, START + 10]


def test_what_fails_already_when_a_channel_is_new_is_not_told() -> None:
    failing = observe(START - 100, ERROR)

    assert tell(failing, current=[failing], now=START + 30) == []


def test_what_failed_already_when_a_channel_was_new_is_told_when_it_recovers() -> None:
    assert tell(observe(START + 10, PASS), current=[observe(START - 5000, ERROR)]) == [("recovered", KEYS_UNIQUE, 10)]


def test_what_failed_already_when_a_channel_was_new_is_told_after_a_day() -> None:
    memory = start_memory([observe(START - 10 * 86400, ERROR)], now=START)
    early, memory = look(memory, now=START + 86399)
    late, _ = look(memory, now=START + 86400)

    assert early == ()
    assert outline(late) == [("reminder", KEYS_UNIQUE, START - 10 * 86400)]


def test_what_happened_shortly_before_a_channel_was_new_is_history_too() -> None:
    """The first look reads it, because it reads a little from before the start."""
    before = [observe(START - 200, ERROR), observe(START - 100, PASS)]

    assert tell(*before, current=before[1:], now=START + 30) == []


def test_what_is_written_late_about_the_time_before_a_channel_was_new_is_told() -> None:
    assert tell(observe(START - 100, ERROR), current=[observe(START - 200, PASS)], now=START + 30) == [
        ("failed", KEYS_UNIQUE, -100)
    ]


def test_a_failure_that_lasts_is_told_each_day_after_the_last_word() -> None:
    _, memory = look(start_memory([], now=START), observe(START + 10, ERROR), now=START + 30)
    told = []
    for hours in range(1, 73):
        notices, memory = look(memory, now=START + 30 + hours * 3600)
        told += [(hours, notice.kind.value) for notice in notices]

    assert told == [(24, "reminder"), (48, "reminder"), (72, "reminder")]


def test_days_without_a_look_bring_one_reminder() -> None:
    _, memory = look(start_memory([], now=START), observe(START + 10, ERROR), now=START + 30)
    notices, _ = look(memory, now=START + 10 * 86400)

    assert len(notices) == 1


def test_a_reminder_tells_the_latest_of_the_failure() -> None:
    _, memory = look(start_memory([], now=START), observe(START + 10, ERROR), now=START + 30)
    _, memory = look(memory, observe(START + 5000, ERROR), now=START + 5030)
    notices, _ = look(memory, now=START + 30 + 86400)

    assert outline(notices) == [("reminder", KEYS_UNIQUE, START + 5000)]
    assert notices[0].since == START + 10


def test_no_reminder_comes_after_the_recovery() -> None:
    _, memory = look(start_memory([], now=START), observe(START + 10, ERROR), now=START + 30)
    _, memory = look(memory, observe(START + 40, PASS), now=START + 60)

    assert look(memory, now=START + 2 * 86400)[0] == ()


def test_no_reminder_comes_together_with_a_change() -> None:
    _, memory = look(start_memory([], now=START), observe(START + 10, WARN), now=START + 30)
    notices, _ = look(memory, observe(START + 86400, ERROR), now=START + 86430)

    assert [notice.kind for notice in notices] == [NoticeKind.WORSE]


def flap(times: int, *, every_s: float = 60) -> list[Observation]:
    """A check that fails, passes, fails ... from `START` on."""
    return [observe(START + every_s * number, PASS if number % 2 == 0 else ERROR) for number in range(1, times + 1)]


def test_four_changes_within_an_hour_are_told() -> None:
    assert [kind for kind, _, _ in tell(*flap(4))] == ["failed", "recovered", "failed", "recovered"]


def test_the_fifth_change_says_that_it_keeps_changing_and_no_other_is_told() -> None:
    assert [kind for kind, _, _ in tell(*flap(30))][4:] == ["flapping"]


def test_five_changes_in_more_than_an_hour_are_told() -> None:
    assert [kind for kind, _, _ in tell(*flap(9, every_s=900))][4:] == ["failed", "recovered"] * 2 + ["failed"]


@pytest.mark.parametrize(("changes", "severity"), [(6, PASS), (7, ERROR)], ids=["passing", "failing"])
def test_where_flapping_settles_is_told_after_an_hour_without_a_change(changes: int, severity: Severity | None) -> None:
    _, memory = look(start_memory([], now=START), *flap(changes), now=START + 60 * changes)
    early, memory = look(memory, now=START + 60 * changes + 3599)
    late, memory = look(memory, now=START + 60 * changes + 3600)
    later, _ = look(memory, now=START + 60 * changes + 7200)

    assert early == ()
    assert outline(late) == [("settled", KEYS_UNIQUE, START + 60 * changes)]
    assert late[0].observation.severity is severity
    assert later == ()


def test_what_has_settled_is_told_of_as_before() -> None:
    _, memory = look(start_memory([], now=START), *flap(6), now=START + 360)
    notices, _ = look(memory, observe(START + 9000, ERROR), now=START + 9000)

    assert [notice.kind.value for notice in notices] == ["settled", "failed"]


def test_a_failure_that_goes_on_does_not_prolong_flapping() -> None:
    _, memory = look(start_memory([], now=START), *flap(7), now=START + 420)
    notices, _ = look(memory, *(observe(START + 420 + 600 * n, ERROR) for n in range(1, 8)), now=START + 4620)

    assert outline(notices) == [("settled", KEYS_UNIQUE, START + 3420)]


def test_causes_that_take_turns_are_damped_too() -> None:
    turns = [observe(START + 60 * number, ERROR, cause="ab"[number % 2]) for number in range(1, 12)]

    assert [kind for kind, _, _ in tell(*turns)] == ["failed", "worse", "worse", "worse", "flapping"]


def test_what_flaps_for_days_is_told_of_each_day() -> None:
    told, memory = [], start_memory([], now=START)
    for observation in flap(3 * 144 - 1, every_s=600):
        notices, memory = look(memory, observation, now=observation.at)
        told += [(observation.at - START, notice.kind.value) for notice in notices]

    assert [kind for _, kind in told[:4]] == ["failed", "recovered", "failed", "recovered"]
    assert told[4:] == [(3000 + 86400 * day, "flapping") for day in range(3)]


def test_a_check_that_flaps_keeps_no_other_quiet() -> None:
    other = observe(START + 600, ERROR, subject=KEYS_PRESENT)

    assert tell(*flap(20), other)[-1] == ("failed", KEYS_PRESENT, 600)


def test_what_was_told_is_not_told_again() -> None:
    seen = [observe(START + 10, ERROR), observe(START + 20, PASS)]
    _, memory = look(start_memory([], now=START), *seen, now=START + 30)

    assert look(memory, *seen, now=START + 60)[0] == ()


def test_what_is_written_late_is_told() -> None:
    _, memory = look(start_memory([], now=START), observe(START + 200, ERROR), now=START + 200)
    notices, _ = look(memory, observe(START + 10, ERROR, subject=KEYS_PRESENT), now=START + 230)

    assert outline(notices) == [("failed", KEYS_PRESENT, START + 10)]


def test_what_is_older_than_is_read_again_is_left_out() -> None:
    _, memory = look(start_memory([], now=START), now=START + 1000)

    assert look(memory, observe(START + 1000 - OVERLAP_S, ERROR), now=START + 1030)[0] == ()


def test_the_memory_holds_what_fails_and_what_was_just_seen() -> None:
    passing = [observe(START + 1, PASS, subject=f"invoices: check_{number}") for number in range(1000)]
    _, memory = look(start_memory([], now=START), *passing, *flap(4), now=START + 240)
    _, memory = look(memory, now=START + 10_000)

    assert memory == Memory(read_until=START + 10_000)


def test_a_clock_that_is_set_back_by_a_little_repeats_nothing() -> None:
    _, memory = look(start_memory([], now=START), observe(START + 10, ERROR), now=START + 30)
    notices, memory = look(memory, observe(START + 10, ERROR), now=START + 20)

    assert notices == ()
    assert memory.read_until == START + 30


def test_a_clock_that_was_a_day_ahead_leaves_no_day_untold() -> None:
    ahead = START + 86400
    _, memory = look(start_memory([], now=START), observe(ahead, PASS), now=ahead)
    _, memory = look(memory, now=START + 60)
    notices, _ = look(memory, observe(START + 70, ERROR), now=START + 90)

    assert outline(notices) == [("failed", KEYS_UNIQUE, START + 70)]


PLAYED = settings(deadline=None, derandomize=True, database=None)


@st.composite
def histories(draw: st.DrawFn) -> list[Observation]:
    """Observations of three subjects, oldest first, at times of their own."""
    gaps = draw(st.lists(st.sampled_from([0.5, 30.0, 299.0, 900.0, 3600.0, 5000.0]), min_size=1, max_size=40))
    at, history = START, []
    for gap in gaps:
        at += gap
        history.append(
            observe(
                at,
                draw(st.sampled_from([PASS, WARN, ERROR])),
                subject=draw(st.sampled_from(["a: one", "a: two", "b: one"])),
                cause=draw(st.sampled_from(["", "other"])),
            )
        )
    return history


@PLAYED
@given(history=histories(), data=st.data())
def test_however_observations_are_spread_over_looks_the_same_is_told(
    history: list[Observation], data: st.DataObject
) -> None:
    """One at a time, each once, or in batches that repeat what the overlap brings again."""
    end = history[-1].at + 10_000
    # Reminders depend on when a look is.
    policy = AlertPolicy(remind_after_s=1e9)

    singly: list[Notice] = []
    memory = start_memory([], now=START)
    for observation in history:
        notices, memory = look(memory, observation, now=observation.at, policy=policy)
        singly += notices
    singly += look(memory, now=end, policy=policy)[0]

    spread: list[Notice] = []
    memory = start_memory([], now=START)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(history)))) | {len(history)})
    for cut in cuts:
        for _ in range(data.draw(st.integers(1, 2))):
            again = [seen for seen in history[:cut] if seen.at > memory.read_from]
            notices, memory = look(memory, *again, now=history[cut - 1].at, policy=policy)
            spread += notices
    spread += look(memory, *history, now=end, policy=policy)[0]

    assert spread == singly


@PLAYED
@given(history=histories(), data=st.data())
def test_an_observation_may_be_late_by_as_much_as_is_read_again(
    history: list[Observation], data: st.DataObject
) -> None:
    """As long as each subject's own come in order, each subject is told of as if none had been late."""
    policy = AlertPolicy(flap_changes=1000, remind_after_s=1e9)
    on_time, _ = look(start_memory([], now=START), *history, now=history[-1].at, policy=policy)

    lateness = {subject: data.draw(st.sampled_from([0.0, 100.0, 299.0])) for subject in ("a: one", "a: two", "b: one")}
    arrivals = sorted(history, key=lambda seen: seen.at + lateness[seen.subject])
    late: list[Notice] = []
    memory = start_memory([], now=START)
    for observation in arrivals:
        notices, memory = look(memory, observation, now=observation.at + lateness[observation.subject], policy=policy)
        late += notices

    assert sorted(outline(late)) == sorted(outline(on_time))
