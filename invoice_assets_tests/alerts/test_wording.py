from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from invoice_assets.alerts.incidents import Notice, NoticeKind
from invoice_assets.alerts.observations import Report, Severity
from invoice_assets.alerts.wording import Moment, clean, name_duration, shorten, word_entry
from invoice_assets_tests.alerts.examples import ERROR, KEYS_UNIQUE, PASS, WARN, observe

AT = 1_795_380_000.0  # 2026-11-22 20:40 UTC
NOON = Moment(now=AT + 3 * 3600, time_zone=ZoneInfo("Europe/Berlin"))
REPORT = Report(
    title=KEYS_UNIQUE,
    summary="3 keys occur more than once.",
    what_to_do="Remove the copies, then run the check.",
    rows=6,
    sample_keys=("982000000567001", "982000000567002"),
    partition="2026-11-01...2026-11-20",
    links=(("The check", "http://127.0.0.1:3000/assets/a"), ("The run", "http://127.0.0.1:3000/runs/1")),
)


def notice(
    kind: NoticeKind, severity: Severity | None = ERROR, *, report: Report = REPORT, since: float = AT - 3600
) -> Notice:
    return Notice(kind=kind, since=since, observation=observe(AT, severity, report=report))


def word(*notices: Notice, is_past: bool = False) -> str:
    return word_entry(notices, moment=NOON, is_past=is_past)


def test_a_failure_says_what_since_when_how_much_and_what_to_do() -> None:
    assert word(notice(NoticeKind.FAILED)) == (
        "**invoices: primary_key_is_unique** fails since 2026-11-22 20:40 CET (4 h)\n"
        "3 keys occur more than once.\n"
        "\n"
        "- Rows: 6\n"
        "- Sample keys: `982000000567001`, `982000000567002`\n"
        "- Partition: 2026-11-01...2026-11-20\n"
        "- What to do: Remove the copies, then run the check.\n"
        "- [The check](http://127.0.0.1:3000/assets/a) · [The run](http://127.0.0.1:3000/runs/1)"
    )


def test_a_report_without_details_is_told_in_two_lines() -> None:
    report = Report(title="load_invoices", summary="The token was refused.")

    assert word(notice(NoticeKind.FAILED, report=report)) == (
        "**load_invoices** fails since 2026-11-22 20:40 CET (4 h)\nThe token was refused."
    )


@pytest.mark.parametrize(
    ("kind", "severity", "event"),
    [
        (NoticeKind.FAILED, WARN, "warns since 2026-11-22 20:40 CET (4 h)"),
        (NoticeKind.WORSE, ERROR, "fails in another way now; not well since 2026-11-22 20:40 CET (4 h)"),
        (NoticeKind.REMINDER, WARN, "still warns, since 2026-11-22 20:40 CET (4 h)"),
        (NoticeKind.RECOVERED, PASS, "recovered at 2026-11-22 21:40 CET, after 1 h"),
        (
            NoticeKind.FLAPPING,
            PASS,
            "keeps changing, since 2026-11-22 20:40 CET (4 h); the next word comes once it has been stable",
        ),
        (NoticeKind.SETTLED, PASS, "has settled and passes, after changes since 2026-11-22 20:40 CET (4 h)"),
        (NoticeKind.SETTLED, ERROR, "has settled: fails since 2026-11-22 20:40 CET (4 h)"),
    ],
    ids=["warning", "worse", "reminder", "recovered", "flapping", "settled, passing", "settled, failing"],
)
def test_each_kind_of_notice_says_what_it_is(kind: NoticeKind, severity: Severity | None, event: str) -> None:
    assert word(notice(kind, severity)).splitlines()[0] == f"**{KEYS_UNIQUE}** {event}"


def test_what_passes_is_told_without_what_to_do() -> None:
    assert word(notice(NoticeKind.RECOVERED, PASS)).splitlines()[1:] == ["3 keys occur more than once."]


def test_a_failure_that_is_over_is_told_without_details() -> None:
    assert word(notice(NoticeKind.FAILED), is_past=True) == (
        "**invoices: primary_key_is_unique** failed at 2026-11-22 21:40 CET\n3 keys occur more than once."
    )


def test_failures_of_one_cause_are_one_entry_that_names_them_all() -> None:
    """Their rows and keys are left out: they are not the same."""
    loads = [
        notice(NoticeKind.FAILED, report=Report(title=f"load_{name}", summary="The token was refused.", rows=3))
        for name in ("items", "taxes")
    ]

    assert word(*loads) == ("**load_items, load_taxes** fail since 2026-11-22 20:40 CET (4 h)\nThe token was refused.")


def test_an_entry_of_many_counts_those_that_it_does_not_name() -> None:
    loads = [notice(NoticeKind.FAILED, report=Report(title=f"load_{n}", summary="No.")) for n in range(25)]

    assert word(*loads).startswith(
        "**load_0, load_1, load_2, load_3, load_4, load_5, load_6, load_7, load_8, load_9 and 15 more** fail since"
    )


def test_times_are_told_in_the_time_zone_of_the_reader() -> None:
    assert Moment(now=AT, time_zone=UTC).name(AT) == "2026-11-22 20:40 UTC"
    assert Moment(now=AT, time_zone=ZoneInfo("Asia/Kolkata")).name(AT) == "2026-11-23 02:10 IST"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "less than a minute"),
        (59, "less than a minute"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (86_400, "24 h"),
        (172_799, "47 h 59 min"),
        (172_800, "2 days"),
        (864_000, "10 days"),
    ],
)
def test_durations_are_told_in_the_units_that_matter(seconds: float, words: str) -> None:
    assert name_duration(seconds) == words


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a <b>bold</b> word", "a < b>bold< /b> word"),
        ("<img src=x>", "< img src=x>"),
        ("<!channel> look", "< !channel> look"),
        ("<@U012345>", "< @U012345>"),
        ("balance < 0 & total > 1", "balance < 0 & total > 1"),
        ("two\nlines\t and  spaces", "two lines and spaces"),
    ],
    ids=["tag", "picture", "call on a channel", "call on a person", "comparison", "white space"],
)  # fmt: skip
def test_nothing_in_a_report_becomes_a_tag_or_a_call(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_a_key_that_holds_markup_stays_a_key() -> None:
    report = Report(title="t", summary="s", sample_keys=("a`<b>`", "two\nlines"))

    assert "- Sample keys: `a'< b>'`, `two lines`" in word(notice(NoticeKind.FAILED, report=report))


def test_a_link_cannot_be_ended_early() -> None:
    report = Report(title="t", summary="s", links=(("[x](http://other)", "http://127.0.0.1/a b)(c"),))

    assert word(notice(NoticeKind.FAILED, report=report)).endswith("[(x)(http://other)](http://127.0.0.1/a%20b%29%28c)")


def test_an_address_that_is_too_long_is_left_out_and_not_cut() -> None:
    report = Report(title="t", summary="s", links=(("long", "http://127.0.0.1/" + "a" * 300), ("short", "http://x/")))

    assert word(notice(NoticeKind.FAILED, report=report)).endswith("- [short](http://x/)")


def test_a_long_text_is_cut_between_words() -> None:
    assert shorten("one two three", 9) == "one two…"
    assert shorten("onetwothree", 6) == "onetw…"
    assert shorten("one two", 7) == "one two"


def test_an_entry_stays_short_whatever_its_report_holds() -> None:
    long = "word " * 2000
    report = Report(
        title=long,
        summary=long,
        what_to_do=long,
        rows=10**15,
        sample_keys=(long,) * 50,
        partition=long,
        links=((long, "http://127.0.0.1/" + "a" * 230),) * 20,
    )
    many = [notice(NoticeKind.FAILED, report=report)] * 50

    assert len(word(many[0])) < 2500
    assert len(word(*many)) < 3000
