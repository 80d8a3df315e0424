"""The Celery app of the workers: `celery --app invoice_assets.celery_app worker`, with the deployment's environment.

`dagster-celery worker start` would do the same from a YAML file, but leaves the broker's password in a file of
DAGSTER_HOME at every start, and takes another broker, in silence, where the file is not as it expects.
"""

from pathlib import Path

from celery import Celery
from dagster import EnvVar
from dagster_celery.executor import CeleryExecutor
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_task
from dotenv import load_dotenv

from invoice_assets.defs.executors import configure_celery
from invoice_assets.settings import Settings
from invoice_assets.variables import CELERY_BROKER, SettingsError


def build_app() -> Celery:
    """The app with Dagster's task, as the environment and the folder's .env say.

    Raises:
        SettingsError: There is no broker.
    """
    load_dotenv(Path(".env"))
    settings = Settings.from_env()
    if CELERY_BROKER not in settings.names_set:
        raise SettingsError(
            f"A worker takes its steps from a broker: set {CELERY_BROKER}, such as redis://10.0.0.5:6379/0."
        )
    arguments = dict(configure_celery(settings))
    addresses = {name: EnvVar(arguments[name]["env"]).get_value() for name in ("broker", "backend")}
    executor = CeleryExecutor.for_cli(**arguments | addresses)  # type: ignore[no-untyped-call]
    app: Celery = make_app(executor.app_args())  # type: ignore[no-untyped-call]
    create_task(app)  # type: ignore[no-untyped-call]
    return app


app = build_app()
