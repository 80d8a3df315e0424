"""Pacing on the client: no more requests a minute than the organisation is granted.

The buckets are pyrate-limiter's (docs/adr/0003).
"""

from datetime import UTC, datetime

from pyrate_limiter import Duration, InMemoryBucket, Limiter, Rate
from pyrate_limiter.limiter import SingleBucketFactory

from invoice_assets.api.errors import QuotaExceededError


class RequestPacer:
    """Holds requests back to `requests_per_minute` in any minute, for all threads of the process; 0 lets all pass.

    Where the API has said until when it refuses everything, nothing is sent until then.
    """

    def __init__(self, *, requests_per_minute: int) -> None:
        self._block: QuotaExceededError | None = None
        self._limiter: Limiter | None = None
        if requests_per_minute > 0:
            bucket = InMemoryBucket([Rate(requests_per_minute, Duration.MINUTE)])
            self._limiter = Limiter(SingleBucketFactory(bucket, schedule_leak=False))

    def note_block(self, block: QuotaExceededError) -> None:
        """Remember that the API refuses every request until the error's `resume_at`."""
        self._block = block

    def wait(self) -> None:
        """Return as soon as one more request is within the quota.

        Raises:
            QuotaExceededError: The API has refused everything until a time that has not come yet.
        """
        if self._block and self._block.resume_at and datetime.now(UTC) < self._block.resume_at:
            raise self._block
        if self._limiter is not None:
            self._limiter.try_acquire("request")
