"""`readers.py`: what a code location is known by."""

from dagster import DagsterInstance

from invoice_assets.definitions import build_definitions
from invoice_assets.defs.alerting.readers import (
    find_resources_of_steps,
    open_check_observations,
    open_run_observations,
)
from invoice_assets.settings import Settings
from invoice_assets_tests.defs.alerting.location import FRESH, Location


def test_a_step_belongs_to_the_one_resource_that_it_loads_or_checks(instance: DagsterInstance) -> None:
    assert find_resources_of_steps(Location(instance=instance).repository) == {
        "load_invoices": "invoices",
        "load_users": "users",
        "check_invoices": "invoices",
        "check_freshness": FRESH.asset_key.path[-1],
    }


def test_a_step_of_several_resources_belongs_to_none() -> None:
    steps = find_resources_of_steps(build_definitions(Settings()).get_repository_def())

    assert steps["load_invoices"] == steps["check_invoices"] == "invoices"
    assert "check_freshness" not in steps


def test_what_a_code_location_has_is_known_and_what_it_had_is_not() -> None:
    repository = build_definitions(Settings()).get_repository_def()
    with DagsterInstance.ephemeral() as instance:
        checks = open_check_observations(instance, repository, settings=Settings())
        runs = open_run_observations(instance, repository, settings=Settings())

    assert checks.knows("invoicing/invoices:primary_key_is_unique")
    assert not checks.knows("invoicing/quotes:primary_key_is_unique")
    assert runs.knows("step:load_invoices")
    assert runs.knows("job:load_transactions")
    assert not runs.knows("step:load_quotes")
    assert not runs.knows("job:load_invoices")
