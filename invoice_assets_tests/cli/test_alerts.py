"""`invoice-assets alerts test`, against webhooks of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from invoice_assets_tests.alerts.receivers import Webhook
from invoice_assets_tests.cli.conftest import Run


def test_a_test_message_reaches_every_channel_that_listens(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Webhook() as webhook, Webhook() as broken:
        broken.status = 500
        monkeypatch.setenv("INVOICE_ALERT_URLS", f"{webhook.url} error={broken.url}")
        status, output = run("alerts", "test")

    assert status == 1
    assert [message["title"] for message in webhook.messages] == ["Test: alerts arrive"]
    assert output.count("sent") == 1
    assert output.count("failed") == 1


def test_the_urls_are_read_from_the_env_file_of_the_folder(run: Run, home: Path) -> None:
    with Webhook() as webhook:
        (home / ".env").write_text(f"INVOICE_ALERT_URLS={webhook.url}\n")

        assert run("alerts", "test")[0] == 0
        assert len(webhook.messages) == 1
