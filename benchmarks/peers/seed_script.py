"""The plain dlt script: the configuration that this project started from, in the nearest form that dlt accepts.

`python -m benchmarks.peers.seed_script` loads with dlt's defaults (insert_values), with the argument `parquet` through
parquet files. https://dlthub.com/docs/dlt-ecosystem/verified-sources/rest_api/basic
"""

import os
import sys
from collections.abc import Sequence
from typing import cast

import dlt
from dlt.common.destination import TLoaderFileFormat
from dlt.extract.source import DltSource
from dlt.sources.helpers import requests
from dlt.sources.rest_api import rest_api_source
from dlt.sources.rest_api.typing import EndpointResource, RESTAPIConfig

from benchmarks.peers.access import SCHEMA, Access
from benchmarks.peers.endpoints import ENDPOINTS, PAGE_SIZE, Endpoint
from benchmarks.peers.readiness import announced_load


def request_access_token(access: Access, client: requests.Client) -> str:
    """Exchange the refresh token for an access token, which a script holds for as long as it runs.

    Raises:
        HTTPError: The server answered with an error.
        KeyError: The server answered 200 without a token, as it does to a grant that it refuses.
    """
    response = client.post(access.token_url, data=access.refresh_grant())
    response.raise_for_status()
    return cast("str", response.json()["access_token"])


def build_source(access: Access) -> DltSource:
    """Return the nine resources, read page by page with one access token."""
    client = requests.Client(
        raise_for_status=False,
        status_codes=(429, 500, 502, 503, 504),
        request_max_attempts=4,
        request_backoff_factor=2,
        request_timeout=60,
    )
    headers = {"Authorization": f"Zoho-oauthtoken {request_access_token(access, client)}"}
    config: RESTAPIConfig = {
        "client": {
            "base_url": access.base_url,
            "headers": headers | access.organization_header(),
            "session": client.session,
            "paginator": {
                "type": "page_number",
                "base_page": 1,
                "page_param": "page",
                "total_path": None,
                "has_more_path": "page_context.has_more_page",
                "stop_after_empty_page": False,
            },
        },
        "resource_defaults": {"write_disposition": "merge"},
        "resources": [_resource(endpoint, access) for endpoint in ENDPOINTS],
    }
    return rest_api_source(config)


def _resource(endpoint: Endpoint, access: Access) -> EndpointResource:
    return {
        "name": endpoint.name,
        "primary_key": endpoint.primary_key,
        "endpoint": {
            "path": endpoint.path,
            "data_selector": endpoint.wrapper,
            "params": {"per_page": PAGE_SIZE, **endpoint.parameters(access.organization_id)},
        },
    }


def main(arguments: Sequence[str]) -> int:
    """Load all nine resources; the argument, if any, is the loader's file format.

    Raises:
        PipelineStepFailed: A resource was not loaded.
    """
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    with announced_load():
        access = Access.from_env()
        pipeline = dlt.pipeline(
            "seed_script",
            pipelines_dir="pipelines",
            destination=dlt.destinations.duckdb(access.database),
            dataset_name=SCHEMA,
        )
        if arguments:
            load = pipeline.run(build_source(access), loader_file_format=cast("TLoaderFileFormat", arguments[0]))
        else:
            load = pipeline.run(build_source(access))
        load.raise_on_failed_jobs()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
