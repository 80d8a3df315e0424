"""`finished_loads.py`: the last word on each asset's latest load."""

import pytest
from dagster import DagsterInstance

from invoice_assets.api.errors import InvalidResponseError
from invoice_assets.defs.alerting.finished_loads import find_finished_loads
from invoice_assets_tests.defs.alerting.location import INVOICES, RETRIED_ONCE, USERS, Location


@pytest.fixture
def location(instance: DagsterInstance) -> Location:
    return Location(instance=instance)


def test_the_latest_load_of_each_asset_is_found(location: Location) -> None:
    both, again = location.run(), location.run("load_unchecked")

    loads = {load.asset_key: load for load in find_finished_loads(location.instance, [INVOICES, USERS])}

    assert {key: load.run_ids for key, load in loads.items()} == {
        INVOICES: {again.dagster_run.run_id},
        USERS: {both.dagster_run.run_id},
    }
    assert loads[INVOICES].ended_at == again.end_time
    assert loads[INVOICES].materialized_at < loads[INVOICES].ended_at


def test_an_asset_that_was_never_loaded_or_reported_by_hand_has_no_load(location: Location) -> None:
    location.report_materialization(INVOICES)

    assert find_finished_loads(location.instance, [INVOICES, USERS]) == []


def test_a_load_whose_run_was_deleted_is_forgotten(location: Location) -> None:
    location.instance.delete_run(location.run("load_unchecked").dagster_run.run_id)

    assert find_finished_loads(location.instance, [INVOICES]) == []


def test_a_load_that_will_be_retried_is_over_with_its_retry(location: Location) -> None:
    location.errors["check_invoices"] = InvalidResponseError("no answer")
    first = location.run(tags=RETRIED_ONCE, assets=[INVOICES])
    assert find_finished_loads(location.instance, [INVOICES]) == []

    last = location.retry(first, "check")

    (load,) = find_finished_loads(location.instance, [INVOICES])
    assert load.run_ids == {first.dagster_run.run_id, last.dagster_run.run_id}
    assert load.ended_at == last.end_time
