"""One deployment and one browser for all of these tests, and a tab for each.

`--images FOLDER` keeps the pictures that the docs show; `make screenshots` names theirs.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from invoice_assets_tests.browser.dagster_dev import DagsterDev
from invoice_assets_tests.browser.dagster_ui import CHROME_ARGUMENTS, VIEWPORT, DagsterUi

TIMEOUT_MS = 240_000.0
"""Only what is broken waits for so long."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--images", type=Path, help="folder for the pictures that the docs show")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program; where there is none, CI is told so and anybody else goes without."""
    found = shutil.which("chromium")
    if found is None:
        missing = "no chromium is installed: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@pytest.fixture(scope="session")
def dagster(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    """A deployment that nobody has used yet, whose tables can be rechecked every minute."""
    folder = tmp_path_factory.mktemp("deployment")
    with DagsterDev(folder, environment={"INVOICE_CRON_CHECKS": "* * * * *"}) as running:
        yield running


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=CHROME_ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def ui(dagster: DagsterDev, browser: Browser, request: pytest.FixtureRequest) -> Iterator[DagsterUi]:
    """A tab of its own; what one page has remembered, such as a folded navigation, the next test does not know."""
    with browser.new_context(
        base_url=dagster.url, viewport=VIEWPORT, color_scheme="light", locale="en-GB", timezone_id="UTC"
    ) as context:
        context.set_default_timeout(TIMEOUT_MS)
        yield DagsterUi(context.new_page(), images=request.config.getoption("images", default=None))
