"""What the tests of the ingest layer share: reading a resource through its dlt source, without a destination."""

import pyarrow as pa

from invoice_assets.api.oauth import AccessTokenProvider
from invoice_assets.api.pacing import RequestPacer
from invoice_assets.api.retries import RetryPolicy
from invoice_assets.api.session import ApiAccount, ApiSession
from invoice_assets.ingest.paging import ScanReport
from invoice_assets.ingest.source import RowBatcher, build_source
from invoice_assets.resource_spec import ResourceSpec
from invoice_assets_tests.conftest import build_grant
from invoice_assets_tests.sandbox.server import Sandbox


def open_session_on(sandbox: Sandbox) -> ApiSession:
    """A session on a sandbox, with retries that do not wait."""
    policy = RetryPolicy(backoff_factor_s=0)
    return ApiSession(
        ApiAccount(base_url=sandbox.api_base_url, organization_id=sandbox.organization_id),
        tokens=AccessTokenProvider(build_grant(sandbox), policy=policy),
        pacer=RequestPacer(requests_per_minute=0),
        policy=policy,
    )


def read_resource(
    sandbox: Sandbox, spec: ResourceSpec, *, report: ScanReport | None = None, batcher: RowBatcher | None = None
) -> pa.Table:
    """A resource of the sandbox, read whole through its source, its batches joined."""
    with open_session_on(sandbox) as session:
        source = build_source(spec, session=session, report=report or ScanReport(), batcher=batcher or RowBatcher(spec))
        return pa.concat_tables(list(source), promote_options="default")
