"""PyAirbyte with a declarative manifest, run in this process, into its DuckDB cache.

It runs in an environment of its own (`airbyte.txt`), which has PyAirbyte and not this project.
https://docs.airbyte.com/platform/connector-development/config-based/understanding-the-yaml-file/reference
"""

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

from benchmarks.peers.access import SCHEMA, Access
from benchmarks.peers.endpoints import ENDPOINTS, PAGE_SIZE, Endpoint
from benchmarks.peers.readiness import announced_load

SOURCE_NAME = "source-invoicing"
OFFLINE = {"DO_NOT_TRACK": "1", "AIRBYTE_OFFLINE_MODE": "1"}
"""No telemetry and no connector registry; PyAirbyte reads this, and where its files go, when it is imported."""
FOLDERS = ("HOME", "AIRBYTE_LOGGING_ROOT", "AIRBYTE_PROJECT_DIR", "AIRBYTE_TEMP_DIR")


def build_manifest() -> dict[str, object]:
    """Return the connector: nine streams with their schemas and keys, which asks for as many pages as there are."""
    return {
        "version": "7.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": [ENDPOINTS[0].name]},
        "streams": [_stream(endpoint) for endpoint in ENDPOINTS],
        "spec": {
            "type": "Spec",
            "connection_specification": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in Access.__dataclass_fields__},
            },
        },
    }


def _stream(endpoint: Endpoint) -> dict[str, object]:
    return {
        "type": "DeclarativeStream",
        "name": endpoint.name,
        "primary_key": [endpoint.primary_key],
        "schema_loader": {"type": "InlineSchemaLoader", "schema": endpoint.json_schema()},
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {
                "type": "HttpRequester",
                "url_base": "{{ config['base_url'] }}",
                "path": endpoint.path,
                "http_method": "GET",
                "request_headers": {"X-com-zoho-invoice-organizationid": "{{ config['organization_id'] }}"},
                "request_parameters": endpoint.parameters("{{ config['organization_id'] }}"),
                "authenticator": _authenticator(),
            },
            "record_selector": {
                "type": "RecordSelector",
                "extractor": {"type": "DpathExtractor", "field_path": [endpoint.wrapper]},
            },
            "paginator": _paginator(),
        },
    }


def _authenticator() -> dict[str, object]:
    return {
        "type": "OAuthAuthenticator",
        "token_refresh_endpoint": "{{ config['token_url'] }}",
        "client_id": "{{ config['client_id'] }}",
        "client_secret": "{{ config['client_secret'] }}",
        "refresh_token": "{{ config['refresh_token'] }}",
    }


def _paginator() -> dict[str, object]:
    """Return the one strategy that can stop on has_more_page: PageIncrement asks once more after a full last page."""
    return {
        "type": "DefaultPaginator",
        "page_token_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "page"},
        "page_size_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "per_page"},
        "pagination_strategy": {
            "type": "CursorPagination",
            "page_size": PAGE_SIZE,
            "cursor_value": "{{ response['page_context']['page'] + 1 }}",
            "stop_condition": "{{ not response['page_context']['has_more_page'] }}",
        },
    }


def main() -> int:
    """Load all nine streams, merging on their keys; what PyAirbyte prints goes to stderr.

    Raises:
        AirbyteConnectorFailedError: A stream was not read to its end.
    """
    os.environ |= OFFLINE | dict.fromkeys(FOLDERS, str(Path.cwd()))
    import airbyte
    from airbyte.caches import DuckDBCache
    from airbyte.strategies import WriteStrategy

    access = Access.from_env()
    with announced_load(), redirect_stdout(sys.stderr):
        source = airbyte.get_source(
            SOURCE_NAME, config=vars(access), source_manifest=build_manifest(), streams="*", install_if_missing=False
        )
        cache = DuckDBCache(db_path=Path(access.database), schema_name=SCHEMA, cache_dir=Path("cache"))
        source.read(cache, write_strategy=WriteStrategy.MERGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
