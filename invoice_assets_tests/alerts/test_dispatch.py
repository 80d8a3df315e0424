import json
import logging
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest

from invoice_assets.alerts.channels import Channel, parse_channels
from invoice_assets.alerts.dispatch import LONGEST_RETRY_S, Delivery, Outcome, dispatch, send_test
from invoice_assets.alerts.incidents import AlertPolicy
from invoice_assets.alerts.memory import OVERLAP_S, Memory
from invoice_assets.alerts.messages import BODY_LIMIT
from invoice_assets.alerts.observations import Observation
from invoice_assets_tests.alerts.addresses import WITH_SECRETS
from invoice_assets_tests.alerts.examples import (
    ERROR,
    KEYS_PRESENT,
    KEYS_UNIQUE,
    PASS,
    WARN,
    Notebook,
    Timeline,
    observe,
)
from invoice_assets_tests.alerts.receivers import MailServer, Webhook

START = 1_795_380_000.0
RESOURCES = ("contacts", "invoices")


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as running:
        yield running


@pytest.fixture
def other() -> Iterator[Webhook]:
    with Webhook() as running:
        yield running


class Daemon:
    """Looks when a test says so, each time as a process that has just been started."""

    def __init__(self, urls: str) -> None:
        self.urls = urls
        self.timeline = Timeline()
        self.store = Notebook()

    @property
    def channels(self) -> tuple[Channel, ...]:
        return parse_channels(self.urls, resources=RESOURCES)

    def happens(self, *observations: Observation) -> None:
        self.timeline.observations += observations

    def look(self, after_s: float) -> tuple[Delivery, ...]:
        """One look, so many seconds after the start."""
        return dispatch(
            self.timeline,
            self.channels,
            store=self.store,
            now=START + after_s,
            policy=AlertPolicy(),
            time_zone=ZoneInfo("Europe/Berlin"),
        )

    def outcomes(self, after_s: float) -> list[Outcome]:
        return [delivery.outcome for delivery in self.look(after_s)]


def start(*urls: str) -> Daemon:
    """A daemon that has had its first look, at `START`."""
    daemon = Daemon(" ".join(urls))
    daemon.look(0)
    return daemon


def titles(webhook: Webhook) -> list[str]:
    return [message["title"] for message in webhook.messages]


def test_a_failure_brings_one_message_and_its_recovery_another(webhook: Webhook) -> None:
    daemon = start(webhook.url)
    daemon.happens(observe(START + 10, ERROR))
    outcomes = daemon.outcomes(30) + daemon.outcomes(60)
    daemon.happens(observe(START + 70, PASS))
    outcomes += daemon.outcomes(90) + daemon.outcomes(120)

    assert titles(webhook) == [f"Failing: {KEYS_UNIQUE}", f"Recovered: {KEYS_UNIQUE}"]
    assert outcomes == [Outcome.SENT, Outcome.NOTHING] * 2


def test_a_first_start_on_an_old_history_tells_nothing(webhook: Webhook) -> None:
    daemon = Daemon(webhook.url)
    daemon.happens(*[observe(START - 60 * number, ERROR, subject=f"invoices: c{number}") for number in range(1, 500)])

    assert daemon.outcomes(0) == [Outcome.STARTED]
    assert daemon.outcomes(30) == [Outcome.NOTHING]
    assert webhook.requests == []


def test_a_channel_that_is_added_later_starts_without_history_and_the_others_go_on(
    webhook: Webhook, other: Webhook
) -> None:
    daemon = start(webhook.url)
    daemon.happens(observe(START + 10, ERROR))
    daemon.urls += " " + other.url

    assert daemon.outcomes(30) == [Outcome.SENT, Outcome.STARTED]
    assert other.requests == []


def test_a_mail_and_a_webhook_are_told_the_same(webhook: Webhook) -> None:
    with MailServer() as mail_server:
        daemon = start(webhook.url, mail_server.url)
        daemon.happens(observe(START + 10, WARN))
        daemon.look(30)

        assert [mail["Subject"] for mail in mail_server.messages] == titles(webhook) == [f"Warning: {KEYS_UNIQUE}"]


def test_each_channel_is_told_what_its_tags_say(webhook: Webhook, other: Webhook) -> None:
    daemon = start(f"error={webhook.url}", f"contacts={other.url}")
    daemon.happens(
        observe(START + 10, WARN), observe(START + 11, ERROR), observe(START + 12, WARN, subject=KEYS_PRESENT)
    )
    daemon.look(30)
    daemon.happens(observe(START + 40, WARN))
    daemon.look(60)

    assert titles(webhook) == [f"Failing: {KEYS_UNIQUE}", f"Recovered: {KEYS_UNIQUE}"]
    assert titles(other) == [f"Warning: {KEYS_PRESENT}"]


def test_a_channel_that_is_down_for_hours_loses_nothing_and_holds_up_no_other(webhook: Webhook, other: Webhook) -> None:
    daemon = start(webhook.url, other.url)
    webhook.down()
    for minute in range(0, 240, 30):
        daemon.happens(observe(START + 60 * minute + 10, ERROR, subject=f"invoices: claim {minute}"))
        daemon.happens(observe(START + 60 * minute + 20, PASS, subject=f"invoices: claim {minute}"))
        for second in range(30, 1800, 30):
            daemon.look(60 * minute + second)
    in_the_outage = list(webhook.messages)
    webhook.up()
    looks = [daemon.outcomes(240 * 60 + second)[0] for second in range(0, 7200, 30)]
    told = "\n".join(message["message"] for message in webhook.messages)

    assert in_the_outage == []
    assert looks.count(Outcome.SENT) == len(webhook.messages) == 1
    assert [told.count(f"invoices: claim {minute}") for minute in range(0, 240, 30)] == [2] * 8
    assert len(other.messages) == 8


def test_attempts_are_further_and_further_apart_up_to_an_hour(webhook: Webhook) -> None:
    daemon = start(webhook.url)
    webhook.status = 500
    daemon.happens(observe(START + 10, ERROR))
    waits, now = [], 30.0
    for _ in range(10):
        [delivery] = daemon.look(now)
        assert delivery.until is not None
        waits.append(delivery.until - START - now)
        now = delivery.until - START

    assert waits == [30, 60, 120, 240, 480, 960, 1920, LONGEST_RETRY_S, LONGEST_RETRY_S, LONGEST_RETRY_S]
    assert len(webhook.requests) == 10


def test_a_channel_that_waits_says_until_when_and_is_not_tried(webhook: Webhook) -> None:
    daemon = start(webhook.url)
    webhook.status = 500
    daemon.happens(observe(START + 10, ERROR))
    [failed] = daemon.look(30)
    [waiting] = daemon.look(59)

    assert failed == Delivery(
        channel="json://127.0.0.1 (entry 1)",
        outcome=Outcome.FAILED,
        notices=1,
        reason="Failed to send JSON POST notification: Internal server error., error=500",
        until=START + 60,
    )
    assert waiting == Delivery(channel="json://127.0.0.1 (entry 1)", outcome=Outcome.WAITING, until=START + 60)
    assert len(webhook.requests) == 1


def test_after_a_delivery_the_waits_begin_anew(webhook: Webhook) -> None:
    daemon = start(webhook.url)
    daemon.happens(observe(START + 10, ERROR))
    webhook.status = 500
    daemon.look(30)
    daemon.look(60)
    webhook.status = 200
    daemon.look(120)
    daemon.happens(observe(START + 130, PASS))
    webhook.status = 500
    [delivery] = daemon.look(150)

    assert delivery.until == START + 180


def test_a_kill_between_delivery_and_saving_repeats_that_message_once_to_that_channel(
    webhook: Webhook, other: Webhook
) -> None:
    daemon = start(webhook.url, other.url)
    daemon.happens(observe(START + 10, ERROR))
    daemon.store.broken = daemon.channels[0].id
    with pytest.raises(OSError, match="the storage has gone away"):
        daemon.look(30)
    daemon.store.broken = None
    for after_s in (60, 90, 120):
        daemon.look(after_s)

    assert titles(webhook) == [f"Failing: {KEYS_UNIQUE}"] * 2
    assert titles(other) == [f"Failing: {KEYS_UNIQUE}"]


def test_a_memory_that_cannot_be_read_stops_its_channel_alone_and_is_kept(webhook: Webhook, other: Webhook) -> None:
    daemon = start(webhook.url, other.url)
    broken = daemon.channels[0].id
    daemon.store.texts[broken] = '{"version": 0}'
    daemon.happens(observe(START + 10, ERROR))
    failed, sent = daemon.look(30)

    assert failed.outcome is Outcome.FAILED
    assert failed.reason == (
        f"the memory of channel {broken} cannot be read: it is of version 0, and this release reads 1."
        " Delete it, and the channel starts anew"
    )
    assert (sent.outcome, titles(other)) == (Outcome.SENT, [f"Failing: {KEYS_UNIQUE}"])
    assert daemon.store.texts[broken] == '{"version": 0}'


def test_a_thousand_failures_are_one_message(webhook: Webhook) -> None:
    daemon = start(webhook.url)
    daemon.happens(*[observe(START + 10, ERROR, subject=f"invoices: claim {number}") for number in range(1000)])
    [delivery] = daemon.look(30)
    [message] = webhook.messages

    assert delivery.notices == 1000
    assert message["title"].startswith("1000 failing: invoices: claim 0, ")
    assert len(message["message"]) <= BODY_LIMIT
    assert daemon.outcomes(60) == [Outcome.NOTHING]


def test_observations_are_read_once_for_all_channels_from_where_the_last_of_them_is(
    webhook: Webhook, other: Webhook
) -> None:
    daemon = start(webhook.url, other.url)
    other.status = 500
    daemon.happens(observe(START + 10, ERROR))
    daemon.look(30)
    daemon.timeline.reads.clear()
    daemon.look(45)
    daemon.look(60)

    assert daemon.timeline.reads == [START + 30 - OVERLAP_S, START - OVERLAP_S]


def test_nothing_is_read_while_every_channel_waits(webhook: Webhook) -> None:
    daemon = start(webhook.url)
    webhook.status = 500
    daemon.happens(observe(START + 10, ERROR))
    daemon.look(30)
    daemon.timeline.reads.clear()
    daemon.look(45)

    assert daemon.timeline.reads == []


def test_an_hour_in_which_nothing_happens_is_saved_now_and_then(webhook: Webhook) -> None:
    daemon = start(webhook.url)
    daemon.happens(observe(START + 5, PASS))
    for after_s in range(30, 3601, 30):
        daemon.look(after_s)

    assert daemon.store.saves == 1 + 3600 // (OVERLAP_S / 2)
    assert Memory.from_json(daemon.store.texts[daemon.channels[0].id]).read_until == START + 3600


def test_a_look_that_was_not_saved_loses_and_repeats_nothing(webhook: Webhook) -> None:
    daemon = start(webhook.url)
    daemon.happens(observe(START + 10, PASS), observe(START + 11, PASS, subject=KEYS_PRESENT))
    daemon.look(30)
    daemon.happens(observe(START + 40, ERROR))
    daemon.look(60)
    daemon.look(90)

    assert titles(webhook) == [f"Failing: {KEYS_UNIQUE}"]


def test_a_test_message_goes_to_every_channel_and_says_which_did_not_arrive(webhook: Webhook, other: Webhook) -> None:
    other.status = 404
    channels = parse_channels(f"{webhook.url} error={other.url}", resources=RESOURCES)
    sent, failed = send_test(channels, now=START)

    assert titles(webhook) == ["Test: alerts arrive"]
    assert sent == Delivery(channel="json://127.0.0.1 (entry 1)", outcome=Outcome.SENT)
    assert failed.outcome is Outcome.FAILED
    assert "error=404" in failed.reason


def test_nobody_is_reminded_of_a_check_that_there_is_no_more(webhook: Webhook) -> None:
    daemon = start(webhook.url)
    failing = observe(START + 10, ERROR)
    daemon.happens(failing)
    daemon.look(30)
    daemon.timeline.gone = {failing.subject}

    outcomes = daemon.outcomes(30 + AlertPolicy().remind_after_s)

    assert outcomes == [Outcome.NOTHING]
    assert len(webhook.messages) == 1
    assert failing.subject not in json.dumps(daemon.store.texts)


def test_no_channels_are_no_deliveries() -> None:
    assert Daemon("").look(0) == ()


def test_no_delivery_memory_or_log_shows_a_secret(
    webhook: Webhook, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing listens where these go; the webhook accepts, so that memories of both kinds are looked through."""
    addresses = [WITH_SECRETS[name] for name in ("json with a password", "mailto", "workflows")]
    secrets = [secret for address in addresses for secret in address.secrets] + ["k3yofours"]
    caplog.set_level(logging.DEBUG)
    daemon = start(*[address.url for address in addresses], f"{webhook.url}?-k=k3yofours")
    daemon.happens(observe(START + 10, ERROR))
    deliveries = daemon.look(30)

    shown = f"{deliveries!r} {json.dumps(daemon.store.texts)} {caplog.text} {capfd.readouterr()}".lower()
    assert [delivery.outcome for delivery in deliveries] == [Outcome.FAILED] * 3 + [Outcome.SENT]
    assert [secret for secret in secrets if secret.lower() in shown] == []
