from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_assets.alerts.incidents import Notice, NoticeKind
from invoice_assets.alerts.messages import BODY_LIMIT, TITLE_LIMIT, Message, MessageKind, compose, compose_test
from invoice_assets.alerts.observations import Report, Severity
from invoice_assets_tests.alerts.examples import ERROR, PASS, WARN, observe

AT = 1_795_380_000.0
REPORT = Report(
    title="",
    summary="3 keys occur more than once.",
    what_to_do="Remove the copies, then run the check.",
    rows=6,
    sample_keys=("982000000567001", "982000000567002"),
    links=(("The check", "http://127.0.0.1:3000/assets/a"),),
)


def notice(
    kind: NoticeKind = NoticeKind.FAILED,
    severity: Severity | None = ERROR,
    *,
    of: str = "invoices: primary_key_is_unique",
    cause: str = "",
    report: Report = REPORT,
) -> Notice:
    observation = observe(AT, severity, subject=of, cause=cause, report=replace(report, title=of))
    return Notice(kind=kind, since=AT - 60, observation=observation)


def put(*notices: Notice, limit: int = BODY_LIMIT) -> Message:
    return compose(notices, now=AT, time_zone=UTC, limit=limit)


RECOVERED = notice(NoticeKind.RECOVERED, PASS, of="items: is_fresh")


@pytest.mark.parametrize(
    ("notices", "title", "kind"),
    [
        ([notice(of="a")], "Failing: a", MessageKind.FAILURE),
        ([notice(of="a"), notice(of="b")], "2 failing: a, b", MessageKind.FAILURE),
        ([notice(NoticeKind.WORSE, of="a")], "Failing: a", MessageKind.FAILURE),
        ([notice(severity=WARN, of="a")], "Warning: a", MessageKind.WARNING),
        ([notice(severity=WARN, of="a"), notice(severity=WARN, of="b")], "2 warnings: a, b", MessageKind.WARNING),
        ([notice(NoticeKind.REMINDER, of="a")], "Still failing: a", MessageKind.FAILURE),
        ([notice(NoticeKind.REMINDER, WARN, of="a")], "Still failing: a", MessageKind.WARNING),
        ([notice(NoticeKind.FLAPPING, of="a")], "Keeps changing: a", MessageKind.WARNING),
        ([notice(NoticeKind.SETTLED, of="a")], "Still failing: a", MessageKind.FAILURE),
        ([notice(NoticeKind.SETTLED, PASS, of="a")], "Recovered: a", MessageKind.SUCCESS),
        ([RECOVERED], "Recovered: items: is_fresh", MessageKind.SUCCESS),
        (
            [RECOVERED, notice(severity=WARN, of="w"), notice(of="a"), notice(of="b")],
            "2 failing: a, b; 1 warning; 1 recovered",
            MessageKind.FAILURE,
        ),
    ],
    ids=[
        "one failure",
        "two failures",
        "worse",
        "one warning",
        "two warnings",
        "reminder of an error",
        "reminder of a warning",
        "flapping",
        "settled, failing",
        "settled, passing",
        "recovery",
        "the worst first",
    ],
)
def test_the_title_names_the_worst_and_counts_the_rest(notices: list[Notice], title: str, kind: MessageKind) -> None:
    message = put(*notices)

    assert (message.title, message.kind) == (title, kind)


def test_a_title_of_many_names_as_many_as_fit() -> None:
    message = put(*[notice(of=f"invoices: claim_{number}") for number in range(40)], RECOVERED)

    assert message.title == (
        "40 failing: invoices: claim_0, invoices: claim_1, invoices: claim_2, invoices: claim_3, invoices: claim_4,"
        " invoices: claim_5 and 34 more; 1 recovered"
    )


def test_what_failed_and_recovered_since_the_last_look_is_a_recovery_and_both_are_told() -> None:
    subject = "items: is_fresh"
    message = put(notice(of=subject), RECOVERED)

    assert (message.title, message.kind) == ("Recovered: items: is_fresh", MessageKind.SUCCESS)
    assert [line for line in message.body.splitlines() if "**" in line] == [
        "**items: is_fresh** failed at 2026-11-22 20:40 UTC",
        "**items: is_fresh** recovered at 2026-11-22 20:40 UTC, after 1 min",
    ]


def test_many_that_failed_and_recovered_are_counted_once_as_what_they_are_now() -> None:
    failed = [notice(of=f"claim_{n}") for n in range(6)]
    recovered = [notice(NoticeKind.RECOVERED, PASS, of=f"claim_{n}") for n in range(6)]

    message = put(*failed, *recovered)

    assert message.title.startswith("6 recovered: claim_0")
    assert message.body.startswith("12 changes: 6 recovered, 6 before that.")
    assert message.body.endswith("- Recovered: claim_4\n- Recovered: claim_5")


def test_the_worst_is_told_first() -> None:
    body = put(RECOVERED, notice(severity=WARN, of="w"), notice(of="e")).body

    assert [line.split("**")[1] for line in body.splitlines() if "**" in line] == ["e", "w", "items: is_fresh"]


def test_loads_that_fail_for_one_cause_are_one_entry() -> None:
    rejected = Report(title="", summary="The accounts server refused the refresh token.")
    names = [f"load_{name}" for name in ("contacts", "invoices", "items")]
    message = put(*[notice(of=name, cause="TokenRejectedError", report=rejected) for name in names])

    assert message.title == "3 failing: load_contacts, load_invoices, load_items"
    assert message.body == (
        "**load_contacts, load_invoices, load_items** fail since 2026-11-22 20:39 UTC (1 min)\n"
        "The accounts server refused the refresh token."
    )


def test_failures_with_something_of_their_own_to_say_are_entries_of_their_own() -> None:
    notices = [
        notice(of="a", cause="Error", report=replace(REPORT, summary="a is wrong")),
        notice(of="b", cause="Error", report=replace(REPORT, summary="b is wrong")),
        notice(of="c"),
        notice(of="d"),
        notice(of="e", cause="Error", report=replace(REPORT, partition="2026-11-01")),
        notice(of="f", cause="Error", report=replace(REPORT, partition="2026-11-02")),
    ]

    assert put(*notices).body.count("**") == 12


def test_ten_failures_are_told_in_full() -> None:
    short = Report(title="", summary="No.")
    body = put(*[notice(of=f"check {number}", report=short) for number in range(10)]).body

    assert body.count("**") == 20
    assert "more" not in body


def test_a_thousand_failures_are_one_digest() -> None:
    notices = [notice(of=f"resource_{number % 7}: claim_{number}") for number in range(998)]
    body = put(*notices, RECOVERED, notice(severity=WARN, of="taxes: w")).body
    lines = body.splitlines()
    in_full = sum("**" in line for line in lines)
    by_name = sum(line.startswith("- Failing: ") for line in lines)

    assert len(body) <= BODY_LIMIT
    assert lines[0].startswith(
        "1000 changes: 998 failing, 1 warning, 1 recovered. By resource: resource_0 143, resource_1 143, "
    )
    assert 0 < in_full <= 10
    assert by_name == 10
    assert lines[-1] == f"and {1000 - in_full - by_name} more"


def test_a_service_that_takes_little_is_told_less_of_each_and_nothing_is_cut() -> None:
    body = put(*[notice(of=f"invoices: claim_{number}") for number in range(1000)], limit=200).body

    assert body == (
        "1000 changes: 1000 failing. By resource: invoices 1000.\n\n"
        "- Failing: invoices: claim_0\n"
        "- Failing: invoices: claim_1\n"
        "- Failing: invoices: claim_2\n"
        "- Failing: invoices: claim_3\n\n"
        "and 996 more"
    )


@settings(deadline=None, derandomize=True, database=None)
@given(
    names=st.lists(st.text(max_size=300), min_size=1, max_size=60),
    summary=st.text(max_size=2000),
    cause=st.sampled_from(["", "cause"]),
    limit=st.integers(200, 5000),
)
def test_whatever_there_is_to_tell_the_message_fits(names: list[str], summary: str, cause: str, limit: int) -> None:
    message = put(
        *[notice(of=name, cause=cause, report=replace(REPORT, summary=summary)) for name in names], limit=limit
    )

    assert len(message.body) <= min(limit, BODY_LIMIT)
    assert len(message.title) <= TITLE_LIMIT
    assert "\n" not in message.title


def test_the_test_message_says_where_it_went() -> None:
    message = compose_test("slack://*** (entry 2)", now=AT)

    assert message == Message(
        title="Test: alerts arrive",
        body="This is the test message of 2026-11-22 20:40:00 UTC to slack://*** (entry 2). Alerts will arrive here.",
        kind=MessageKind.INFO,
    )
