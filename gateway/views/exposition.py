"""Metrics as text in the format of Prometheus, those of the process (memory, CPU time, open files) among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from obelisk.runtime.observe.metrics import Distribution, Family

if TYPE_CHECKING:
    from prometheus_client import Metric

MEDIA_TYPE: Final = "text/plain"


def render(families: Sequence[Family]) -> tuple[bytes, str]:
    """The text and its whole media type. The library is loaded by the first call: most processes never need it."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
    from prometheus_client.registry import Collector

    class Given(Collector):
        """The families that were handed in."""

        def collect(self) -> Iterator[Metric]:
            """See the library."""
            return map(_metric, families)

    registry = CollectorRegistry()
    registry.register(Given())
    ProcessCollector(registry=registry)
    return generate_latest(registry), f"{MEDIA_TYPE}; version=0.0.4; charset=utf-8"


def _metric(family: Family) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    if family.kind == "histogram":
        shown = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for labels, distribution in sorted(family.distributions.items()):
            shown.add_metric(labels, buckets=_buckets(distribution), sum_value=distribution.total)
        return shown
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, value in sorted(family.samples.items()):
        metric.add_metric(labels, value)
    return metric


def _buckets(distribution: Distribution) -> list[tuple[str, float]]:
    """Upper bounds and how often a value lay below, in ascending order, as the format has them."""
    bounds = [*(repr(float(bound)) for bound in distribution.bounds), "+Inf"]
    return list(zip(bounds, accumulate(distribution.counts, initial=None), strict=True))
