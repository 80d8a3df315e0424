import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from invoice_assets.alerts.messages import Message, MessageKind
from invoice_assets.alerts.services import ServiceError, ServiceProfile, profile_service, send
from invoice_assets_tests.alerts.addresses import WITH_SECRETS, Address
from invoice_assets_tests.alerts.receivers import MailServer, Webhook

SLACK, WORKFLOWS = WITH_SECRETS["slack, as Slack shows it"].url, WITH_SECRETS["workflows"].url
DISCORD = WITH_SECRETS["discord"].url
MESSAGE = Message(
    title="Failing: invoices: primary_key_is_unique",
    body="**invoices: primary_key_is_unique** fails\n3 keys < 4 & more.\n\n- Keys: `9820<1>`\n- [The run](http://ui/runs/1?a=b_c)",
    kind=MessageKind.FAILURE,
)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as running:
        yield running


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer() as running:
        yield running


@pytest.fixture
def internet(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> Webhook:
    """The webhook, to which every request is led that would leave this machine; its path stays."""
    send_on = HTTPAdapter.send

    def lead(self: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        request.url = webhook.base_url + request.path_url
        return send_on(self, request, **options)

    monkeypatch.setattr(HTTPAdapter, "send", lead)
    return webhook


def test_a_webhook_receives_title_text_and_kind(webhook: Webhook) -> None:
    send(webhook.url, MESSAGE)

    assert webhook.messages == [
        {"version": "1.0", "title": MESSAGE.title, "message": MESSAGE.body, "type": "failure", "attachments": []}
    ]


def test_slack_receives_its_own_markdown(internet: Webhook) -> None:
    send(SLACK, MESSAGE)
    [request] = internet.requests
    [attachment] = request.body["attachments"]

    assert request.path == "/services/T0OURTEAM/A0OURHOOK/notATokenThatOpensAnyth1"
    assert request.body["mrkdwn"] is True
    assert attachment["title"] == MESSAGE.title
    assert attachment["text"] == (
        "*invoices: primary_key_is_unique* fails\n"
        "3 keys < 4 &amp; more.\n\n"
        "- Keys: `9820&lt;1&gt;`\n"
        "- <http://ui/runs/1?a=b_c|The run>"
    )
    assert attachment["color"] == "#A32037"


def test_slack_is_sent_nothing_that_it_would_have_to_fetch(internet: Webhook) -> None:
    send(SLACK, MESSAGE)

    assert "http" not in str(internet.messages).replace("http://ui/runs/1", "")


def test_teams_receives_a_card(internet: Webhook) -> None:
    send(WORKFLOWS, MESSAGE)
    [request] = internet.requests
    card = request.body["attachments"][0]["content"]

    assert request.path.startswith("/workflows/0ur0wnw0rkfl0wthatisn0tthere0000/triggers/manual/paths/invoke?")
    assert request.body["attachments"][0]["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert [(block["type"], block["text"]) for block in card["body"]] == [
        ("TextBlock", MESSAGE.title),
        ("TextBlock", MESSAGE.body),
    ]
    assert card["body"][1]["wrap"] is True


def test_a_mail_holds_the_message_as_html_and_as_text(mail_server: MailServer) -> None:
    send(mail_server.url, MESSAGE)
    [mail] = mail_server.messages
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))

    assert (mail["Subject"], mail["From"], mail["To"]) == (MESSAGE.title, "alerts@example.org", "oncall@example.org")
    assert html is not None
    assert text is not None
    assert "<li>Keys: <code>9820&lt;1&gt;</code></li>" in html.get_content()
    assert '<a href="http://ui/runs/1?a=b_c">The run</a>' in html.get_content()
    assert "invoices: primary_key_is_unique fails" in text.get_content()


@pytest.mark.parametrize(
    ("url", "limit"),
    [("json://127.0.0.1", 3500), (SLACK, 3500), (WORKFLOWS, 850), (DISCORD, 1850), ("dapnet://u:p@DF1ABC", 200)],
    ids=["webhook", "slack", "teams", "discord", "pager"],
)
def test_a_body_is_as_long_as_the_service_takes_in_one_piece(url: str, limit: int) -> None:
    assert profile_service(url).body_limit == limit


def test_what_is_too_long_nevertheless_arrives_in_pieces(internet: Webhook) -> None:
    """A service that refuses it would refuse it at every attempt."""
    body = "\n".join(f"line {number}" for number in range(400))
    send(DISCORD, Message(title="t", body=body, kind=MessageKind.INFO))
    arrived = "\n".join(message["content"] for message in internet.messages)

    assert len(internet.messages) > 1
    assert [line for line in body.splitlines() if line not in arrived.splitlines()] == []


def test_an_answer_that_is_no_success_is_no_delivery(webhook: Webhook) -> None:
    webhook.status = 500

    with pytest.raises(ServiceError, match="error=500"):
        send(webhook.url, MESSAGE)


def test_a_connection_that_is_refused_is_no_delivery(webhook: Webhook) -> None:
    webhook.down()

    with pytest.raises(ServiceError, match="Connection error"):
        send(webhook.url, MESSAGE)


def test_a_redirect_is_no_delivery(webhook: Webhook) -> None:
    """A client follows it with a GET, and whatever answers that has received no message."""
    webhook.status, webhook.location = 302, webhook.base_url + "/login"

    with pytest.raises(ServiceError, match="error=302"):
        send(webhook.url, MESSAGE)
    assert [request.method for request in webhook.requests] == ["POST"]


def test_a_service_that_does_not_answer_is_no_delivery() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ServiceError, match="Connection error"):
        send(f"json://127.0.0.1:{silent.getsockname()[1]}?rto=0.05", MESSAGE)


def test_certificates_are_checked_and_no_wait_is_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def refuse(self: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        asked.append(options)
        raise requests.ConnectionError

    monkeypatch.setattr(HTTPAdapter, "send", refuse)
    with pytest.raises(ServiceError):
        send(SLACK, MESSAGE)

    assert [bool(options["verify"]) for options in asked] == [True]
    assert [options["timeout"] for options in asked] == [(4.0, 4.0)]


def test_an_address_cannot_make_a_failure_a_success_or_send_again_by_itself(webhook: Webhook) -> None:
    webhook.status = 500

    with pytest.raises(ServiceError):
        send(f"{webhook.url}?optional=yes&retry=3&wait=0", MESSAGE)
    assert len(webhook.requests) == 1


def test_a_mail_that_is_refused_is_no_delivery_and_its_reader_is_not_named(mail_server: MailServer) -> None:
    mail_server.rejects = True

    with pytest.raises(ServiceError, match=r'^Sending email to "\*\*\*" failed\.$'):
        send(mail_server.url, MESSAGE)


def test_a_mail_with_a_wrong_password_is_no_delivery(mail_server: MailServer) -> None:
    with pytest.raises(ServiceError):
        send(mail_server.url.replace("unused", "wrong-one"), MESSAGE)
    assert mail_server.messages == []


@pytest.mark.parametrize("address", WITH_SECRETS.values(), ids=WITH_SECRETS)
def test_a_service_is_named_by_nothing_that_is_secret(address: Address) -> None:
    profile = profile_service(address.url)

    assert profile == ServiceProfile(name=address.name, body_limit=profile.body_limit)


@pytest.mark.parametrize("address", WITH_SECRETS.values(), ids=WITH_SECRETS)
def test_a_delivery_that_fails_shows_no_secret(
    address: Address,
    internet: Webhook,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Not in the error, and in no log, down to the last detail."""
    internet.down()
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="apprise")
    with pytest.raises(ServiceError) as failed:
        send(address.url, MESSAGE)

    shown = f"{failed.value!r} {failed.value.__cause__} {caplog.text} {capfd.readouterr()}"
    assert [secret for secret in address.secrets if secret.lower() in shown.lower()] == []


@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("address", WITH_SECRETS.values(), ids=WITH_SECRETS)
def test_no_log_shows_a_secret_whatever_the_service_answers(
    address: Address, status: int, internet: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    internet.status = status
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="apprise")
    with suppress(ServiceError):
        send(address.url, MESSAGE)

    assert [secret for secret in address.secrets if secret.lower() in caplog.text.lower()] == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nosuch://s3cret/x", "Apprise knows no service nosuch://"),
        ("https://s3cret.example.org/hook", "Apprise knows no service https://"),
        ("slack://T0OURTEAM/A0OURHOOK/bad!s3cret", r"An invalid Slack \(third\) Token \(\*\*\*\) was specified\."),
        ("slack://s3cret", "An invalid Slack"),
        ("workflows://host/s3cret", "An invalid Signature"),
        ("json://", "Unparseable JSON URL"),
    ],
    ids=["unknown scheme", "a page", "a token that is none", "no token", "no signature", "no host"],
)
def test_an_address_that_is_of_no_use_says_why_and_nothing_of_itself(url: str, reason: str) -> None:
    with pytest.raises(ServiceError, match=reason) as refused:
        profile_service(url)

    assert "s3cret" not in str(refused.value)


def test_what_others_say_through_apprise_is_logged_as_before(
    caplog: pytest.LogCaptureFixture, webhook: Webhook
) -> None:
    send(webhook.url, MESSAGE)
    logging.getLogger("apprise").warning("of another's making")

    assert caplog.messages == ["of another's making"]


def test_apprise_is_loaded_when_it_is_needed_and_not_before() -> None:
    """A code location loads these modules to load its definitions."""
    code = "import sys, invoice_assets.alerts.dispatch; print('apprise' in sys.modules)"

    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
