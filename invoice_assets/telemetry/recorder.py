"""Who takes measurements: nobody, unless a deployment wants metrics.

The recorder that sends them lives in `otlp.py`, what is measured in `metrics.py`. Whoever measures is handed a
recorder, and neither knows nor waits for where it goes.
"""

from typing import Self

from invoice_assets.telemetry.metrics import Metric


class Recorder:
    """Takes measurements, and does nothing with them."""

    def record(self, metric: Metric, value: float = 1, **attributes: str) -> None:
        """Take a measurement: add to a counter, set a gauge, or put a value into a histogram.

        The metric's other attributes are those that the recorder is bound to.
        """

    def bind(self, **attributes: str) -> Self:
        """A recorder whose measurements carry these attributes too, as far as a metric has them; no empty ones."""
        return self

    def close(self) -> None:
        """Send what has not been sent; nothing that is recorded later is."""


UNRECORDED = Recorder()
"""For whoever is handed no other."""
