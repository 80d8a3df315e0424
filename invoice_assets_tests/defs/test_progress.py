from datetime import UTC, datetime, timedelta

import pytest

from invoice_assets.api.session import ApiUsage
from invoice_assets.catalog import INVOICES
from invoice_assets.defs.progress import PROGRESS_PAGES, ProgressLog
from invoice_assets.ingest.paging import ScanReport
from invoice_assets.ingest.windows import COMPLETE, Window, format_instant


class Lines(list[str]):
    """A log that keeps what it is told."""

    def info(self, msg: object, *args: object) -> None:
        self.append(str(msg))


def report_of(pages: int, **changes: object) -> ScanReport:
    return ScanReport(pages=pages, rows=pages * 200, **changes)  # type: ignore[arg-type]  # a stamp or nothing


def test_progress_is_told_every_so_many_pages() -> None:
    lines = Lines()
    progress = ProgressLog(INVOICES, lines, usage=ApiUsage(), window=COMPLETE, rows_before=0)

    for pages in range(1, 2 * PROGRESS_PAGES + 2):
        progress.note(report_of(pages))

    assert [line.partition(", ")[0] for line in lines] == ["invoices: 25 pages", "invoices: 50 pages"]


def test_a_line_tells_rows_rate_quota_and_time_to_go() -> None:
    lines = Lines()
    usage = ApiUsage(requests=25, quota_remaining=940)

    ProgressLog(INVOICES, lines, usage=usage, window=COMPLETE, rows_before=10_000).note(report_of(25))

    (line,) = lines
    assert "25 pages, 5,000 rows so far" in line
    assert "rows a second" in line
    assert "requests a minute" in line
    assert "940 requests of the day's quota left" in line
    assert line.endswith("to go")


@pytest.mark.parametrize(
    ("window", "rows_before", "says_time_to_go"),
    [
        pytest.param(COMPLETE, 0, False, id="first load of everything"),
        pytest.param(COMPLETE, 10_000, True, id="everything again"),
        pytest.param(Window(start=datetime.now(UTC) - timedelta(days=9)), 0, True, id="a window in the stamp's order"),
    ],
)
def test_the_time_to_go_is_told_only_where_it_can_be_known(
    window: Window, rows_before: int, says_time_to_go: bool
) -> None:
    lines = Lines()
    stamp = format_instant(datetime.now(UTC) - timedelta(days=3))

    ProgressLog(INVOICES, lines, usage=ApiUsage(), window=window, rows_before=rows_before).note(
        report_of(25, last_stamp=stamp)
    )

    assert ("to go" in lines[0]) is says_time_to_go
