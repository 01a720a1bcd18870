"""``GET /metrics``: Prometheus reads it, and it says what happened."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from gateway_world import world
from obelisk import __version__
from obelisk.gateway.views.exposition import render
from obelisk.runtime.observe.metrics import Distribution, Family, Metrics

SHOP = "/v1/functions/demo:shop/cart@1.2.0"


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels, read by the library's own parser."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_was_submitted_is_counted_and_what_waits_is_shown() -> None:
    with world(placed=False).client() as http:
        for _ in range(3):
            http.post(f"{SHOP}/add", [1, 2], headers=[("Prefer", "respond-async")])
        http.get("/v1/executions/E_none")
        http.get("/nowhere")
        answer = http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples(answer.text)
    function = (("function", "demo:shop/cart@1.2.0.add"),)
    assert found["obelisk_executions_submitted_total", function] == 3
    assert found["obelisk_pending", ()] == 3
    requests = {labels: value for (name, labels), value in found.items() if name == "obelisk_http_requests_total"}
    assert requests == {
        (("operation", "submit"), ("status", "202")): 3,
        (("operation", "get-execution"), ("status", "404")): 1,
        (("operation", ""), ("status", "404")): 1,
    }
    assert found["obelisk_queue_lag_seconds", ()] >= 0
    assert found["obelisk_store_writable", ()] == 1
    assert found["obelisk_build_info", (("version", __version__),)] == 1
    assert found["process_resident_memory_bytes", ()] > 0


def test_what_requests_took_is_counted_by_operation_method_and_class_of_status() -> None:
    with world().client() as http:
        for _ in range(3):
            http.post(f"{SHOP}/ping")
        http.post(f"{SHOP}/check", [False])
        http.get("/v1/executions/E_none")
        http.request("HEAD", "/livez")
        for method in ("BREW", "LURK"):
            http.request(method, "/nowhere")
        found = samples(http.get("/metrics").text)
    name = "obelisk_http_request_seconds"
    counts = {
        tuple(dict(labels)[label] for label in ("operation", "method", "status")): value
        for (sample, labels), value in found.items()
        if sample == f"{name}_count"
    }
    assert counts == {
        ("submit", "POST", "2xx"): 3,
        ("submit", "POST", "4xx"): 1,
        ("get-execution", "GET", "4xx"): 1,
        ("live", "HEAD", "2xx"): 1,
        ("", "other", "4xx"): 2,
    }
    submit = (("method", "POST"), ("operation", "submit"), ("status", "2xx"))
    assert 0 < found[f"{name}_sum", submit] < found[f"{name}_bucket", (("le", "+Inf"), *submit)] * 60


def test_distributions_are_cumulative() -> None:
    metrics = Metrics()
    for size in (1, 2, 2, 3, 1000):
        metrics.group_sizes.add(size)
    found = samples(render(metrics.families())[0].decode())
    name = "obelisk_commit_group_size"
    bounds = {dict(labels)["le"]: value for (sample, labels), value in found.items() if sample == f"{name}_bucket"}
    assert (bounds["1.0"], bounds["2.0"], bounds["4.0"], bounds["256.0"], bounds["+Inf"]) == (1, 3, 4, 4, 5)
    assert (found[f"{name}_count", ()], found[f"{name}_sum", ()]) == (5, 1008)


def test_labels_are_written_safely() -> None:
    nasty = 'a"b\\c\nd'
    family = Family(name="obelisk_x", help="Two\nlines.", kind="counter", labels=("l",), samples={(nasty,): 2})
    assert samples(render([family])[0].decode())["obelisk_x_total", (("l", nasty),)] == 2


def test_a_value_on_a_bound_counts_below_it() -> None:
    distribution = Distribution((1, 2))
    for value in (0, 1, 1.5, 2, 3):
        distribution.add(value)
    assert (distribution.counts, distribution.total) == ([2, 2, 1], 7.5)
