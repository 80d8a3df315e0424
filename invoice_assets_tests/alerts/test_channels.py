from collections.abc import Iterator

import pytest

from invoice_assets.alerts.channels import (
    AlertConfigurationError,
    AlertDeliveryError,
    Channel,
    parse_channels,
)
from invoice_assets.alerts.messages import Message, MessageKind
from invoice_assets.alerts.observations import Observation, Severity
from invoice_assets.errors import PermanentError, TransientError
from invoice_assets_tests.alerts.addresses import WITH_SECRETS, Address
from invoice_assets_tests.alerts.examples import ERROR, PASS, WARN, observe
from invoice_assets_tests.alerts.receivers import Webhook

RESOURCES = ("contacts", "invoices", "customer_payments")
MESSAGE = Message(title="t", body="b", kind=MessageKind.INFO)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as running:
        yield running


def parse(text: str) -> tuple[Channel, ...]:
    return parse_channels(text, resources=RESOURCES)


def parse_one(text: str) -> Channel:
    [channel] = parse(text)
    return channel


def route(tags: str, *observations: Observation) -> list[tuple[str, Severity | None]]:
    routed = parse_one(f"{tags}json://127.0.0.1").route(observations)
    return [(seen.resource, seen.severity) for seen in routed]


@pytest.mark.parametrize(
    "text",
    [
        "json://127.0.0.1/a json://127.0.0.1/b",
        "\n  json://127.0.0.1/a\n\tjson://127.0.0.1/b\n",
        "json://127.0.0.1/a,json://127.0.0.1/b",
        "json://127.0.0.1/a, json://127.0.0.1/b,",
    ],
    ids=["spaces", "lines", "comma", "comma and space"],
)
def test_entries_stand_apart_by_white_space_or_commas(text: str) -> None:
    assert [channel.id for channel in parse(text)] == [
        parse_one("json://127.0.0.1/a").id,
        parse_one("json://127.0.0.1/b").id,
    ]


def test_a_comma_within_an_address_belongs_to_it(webhook: Webhook) -> None:
    parse_one(f"{webhook.url}?-to=a,b").deliver(MESSAGE)

    assert [request.path for request in webhook.requests] == ["/alerts?to=a%2Cb"]


def test_tags_of_one_entry_are_told_from_the_comma_between_two() -> None:
    first, second = parse("warn,invoices=json://127.0.0.1/a,error,contacts=json://127.0.0.1/b")

    assert (first.severities, first.resources) == (frozenset({WARN}), frozenset({"invoices"}))
    assert (second.severities, second.resources) == (frozenset({ERROR}), frozenset({"contacts"}))


def test_an_entry_without_tags_takes_everything() -> None:
    channel = parse_one("json://127.0.0.1")

    assert (channel.severities, channel.resources) == (frozenset({WARN, ERROR}), None)


def test_no_entries_are_no_channels() -> None:
    assert parse(" \n ") == ()


def test_one_address_with_other_tags_is_another_channel() -> None:
    assert len({channel.id for channel in parse("error=json://127.0.0.1 contacts=json://127.0.0.1")}) == 2


def test_an_entry_that_is_there_twice_is_one_channel() -> None:
    channels = parse("error,invoices=json://127.0.0.1 json://127.0.0.1/b invoices,error=json://127.0.0.1")

    assert [channel.name for channel in channels] == ["json://127.0.0.1 (entry 1)", "json://127.0.0.1 (entry 2)"]


def test_a_channel_is_the_same_wherever_its_entry_stands() -> None:
    """What it has been told is kept by its id."""
    a, b = parse("error=json://127.0.0.1/a json://127.0.0.1/b")
    again_b, again_a = parse("json://127.0.0.1/b error=json://127.0.0.1/a")

    assert (again_a.id, again_b.id) == (a.id, b.id)


@pytest.mark.parametrize(
    ("tags", "seen"),
    [
        ("", [("invoices", WARN), ("contacts", ERROR), ("", PASS)]),
        ("warn,error=", [("invoices", WARN), ("contacts", ERROR), ("", PASS)]),
        ("invoices=", [("invoices", WARN)]),
        ("invoices,contacts=", [("invoices", WARN), ("contacts", ERROR)]),
        ("error=", [("invoices", PASS), ("contacts", ERROR), ("", PASS)]),
        ("error,contacts=", [("contacts", ERROR)]),
        ("error,invoices=", [("invoices", PASS)]),
        ("warn=", [("invoices", WARN), ("", PASS)]),
    ],
    ids=["none", "both severities", "a resource", "resources", "error", "error of one", "error of another", "warn"],
)
def test_tags_say_what_a_channel_sees(tags: str, seen: list[tuple[str, Severity | None]]) -> None:
    observations = [
        observe(1, WARN, resource="invoices"),
        observe(2, ERROR, resource="contacts"),
        observe(3, PASS, resource=""),
    ]

    assert route(tags, *observations) == seen


def test_an_error_that_becomes_a_warning_recovers_where_only_errors_go_and_says_so() -> None:
    [seen] = parse_one("error=json://127.0.0.1").route([observe(1, WARN, cause="not run")])

    assert (seen.severity, seen.cause) == (PASS, "")
    assert seen.report.summary == "It is a warning now, which does not go to this channel: 3 keys occur twice."


def test_tags_are_read_in_any_case() -> None:
    assert parse_one("ERROR,Invoices=json://127.0.0.1").id == parse_one("error,invoices=json://127.0.0.1").id


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("json://127.0.0.1 s3cret", r"entry 2 is not of the form \[tag,tag=\]scheme://\.\.\."),
        ("https//s3cret.example.org", "entry 1 is not of the form"),
        ("error=s3cret", "entry 1 is not of the form"),
        ("json://127.0.0.1 nosuch://s3cret", r"entry 2 \(nosuch://\): Apprise knows no service nosuch://"),
        ("json://127.0.0.1\nslack://T0OURTEAM/s3cret", r"entry 2 \(slack://\): An invalid Slack"),
        (
            "error,invoice=json://s3cret",
            r"entry 1 \(json://\): no such tag: invoice\. Known are: warn, error, contacts, invoices, ",
        ),
        ("critical,bills=json://s3cret", r"no such tag: bills, critical\."),
    ],
    ids=["no address", "a typing error", "a tag alone", "unknown scheme", "a token that is none", "a tag", "two tags"],
)
def test_an_entry_that_cannot_be_used_is_named_by_number_and_scheme(text: str, error: str) -> None:
    with pytest.raises(AlertConfigurationError, match=error) as refused:
        parse(text)

    assert str(refused.value).startswith("INVOICE_ALERT_URLS, entry ")
    assert "s3cret" not in f"{refused.value} {refused.value.__cause__}"


def test_a_configuration_that_cannot_be_used_is_permanent_and_a_failed_delivery_is_not() -> None:
    assert issubclass(AlertConfigurationError, PermanentError)
    assert issubclass(AlertDeliveryError, TransientError)


def test_a_delivery_that_fails_names_the_channel_and_the_reason(webhook: Webhook) -> None:
    webhook.status = 500

    with pytest.raises(AlertDeliveryError) as failed:
        parse_one(webhook.url).deliver(MESSAGE)

    assert str(failed.value) == (
        "json://127.0.0.1 (entry 1) did not accept the message: "
        "Failed to send JSON POST notification: Internal server error., error=500. It is sent again later."
    )
    assert failed.value.reason == "Failed to send JSON POST notification: Internal server error., error=500"


@pytest.mark.parametrize("address", WITH_SECRETS.values(), ids=WITH_SECRETS)
def test_no_representation_of_a_channel_shows_its_address(address: Address) -> None:
    channel = parse_one(f"error={address.url}")
    shown = f"{channel!r} {channel} {channel.name} {channel.id}".lower()

    assert channel.name == f"{address.name} (entry 1)"
    assert [secret for secret in address.secrets if secret.lower() in shown] == []
