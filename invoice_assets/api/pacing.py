"""Pacing on the client: no more requests a minute than the organisation is granted.

The buckets are pyrate-limiter's (docs/adr/0003).
"""

from pyrate_limiter import Duration, InMemoryBucket, Limiter, Rate
from pyrate_limiter.limiter import SingleBucketFactory


class RequestPacer:
    """Holds requests back to `requests_per_minute` in any minute, for all threads of the process; 0 lets all pass."""

    def __init__(self, *, requests_per_minute: int) -> None:
        self._limiter: Limiter | None = None
        if requests_per_minute > 0:
            bucket = InMemoryBucket([Rate(requests_per_minute, Duration.MINUTE)])
            self._limiter = Limiter(SingleBucketFactory(bucket, schedule_leak=False))

    def wait(self) -> None:
        """Return as soon as one more request is within the quota."""
        if self._limiter is not None:
            self._limiter.try_acquire("request")
