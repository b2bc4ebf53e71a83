"""Spans that a test recorded, in the shapes in which tests compare them."""

from __future__ import annotations

from contextlib import contextmanager

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

SWITCH = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class Spans:
    """The spans and metrics of one test, whose application records them."""

    def __init__(self):
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider([self._reader])
        self.tracer = self.provider.get_tracer("the application")

    def clear(self):
        self._exporter.clear()

    @property
    def all(self):
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time)

    def named(self, start):
        return [span for span in self.all if span.name.startswith(start)]

    def one(self, start):
        [span] = self.named(start)
        return span

    def tree(self):
        """Each span's name with those of its children, sorted: `{"app": {"retrieval c": {}}}`."""
        names = [span.name for span in self._roots()]
        assert len(names) == len(set(names)), names
        return {span.name: self._below(span) for span in self._roots()}

    def _roots(self):
        ids = {span.context.span_id for span in self.all}
        return [span for span in self.all if span.parent is None or span.parent.span_id not in ids]

    def _below(self, parent):
        below = {}
        for span in self.all:
            if span.parent is not None and span.parent.span_id == parent.context.span_id:
                below.setdefault(span.name, {}).update(self._below(span))
        return below

    def sum(self, attribute):
        return sum(span.attributes.get(attribute, 0) for span in self.all)

    def content(self):
        """All that the spans say, as one text."""
        return "\n".join(span.to_json() for span in self.all)

    def metric(self, name):
        """The data points of a metric, of the package's own meter and of others."""
        data = self._reader.get_metrics_data()
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for each in scope.metrics
            if each.name == name
            for point in each.data.data_points
        ]


@contextmanager
def recorded(monkeypatch):
    """Let this test be an application that records spans; no provider stays behind."""
    spans = Spans()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans.provider)
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: spans.meters)
    yield spans
    spans.provider.shutdown()
    spans.meters.shutdown()


def events(span):
    return [(event.name, dict(event.attributes)) for event in span.events]
