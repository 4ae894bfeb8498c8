"""Spans as a collector gets them from a process that ends by an error, and none without a collector."""

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SCRIPT = """
import sys, time
from heterodub.schemas.config.settings import Settings
from heterodub.tasks.monitoring.run_log import Counts, as_step, recording
from heterodub.tasks.monitoring.spans import file_span

@as_step("analyse")
def analyse():
    file_span(1_000, 3_000, media="3f9a", clips=2)
    raise ValueError("/footage/secret.mp4 is odd")

with recording("ingest", Settings(workspace="/nowhere/at all"), "the run"):
    analyse()
"""


class _Collector(BaseHTTPRequestHandler):
    spans: ClassVar[list[Span]] = []

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/traces"
        self.spans.extend(span for part in request.resource_spans for scope in part.scope_spans for span in scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    Thread(target=server.serve_forever, daemon=True).start()
    _Collector.spans.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def written(script: str, collector: str) -> str:
    """What a script, which ends by an error, wrote to stderr."""
    environment = os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert "ValueError" in ended.stderr
    return ended.stderr


def test_spans_reach_a_collector(collector):
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `telemetry` is not installed")
    written(SCRIPT, collector)
    spans = {span.name: span for span in _Collector.spans}
    assert spans.keys() == {"ingest", "analyse", "file"}
    flow, step, file = spans["ingest"], spans["analyse"], spans["file"]
    assert {span.trace_id for span in spans.values()} == {flow.trace_id}
    assert (step.parent_span_id, file.parent_span_id) == (flow.span_id, step.span_id)
    assert (file.start_time_unix_nano, file.end_time_unix_nano) == (1_000, 3_000)
    assert [(one.key, one.value.string_value) for one in flow.attributes] == [("run", "the run")]
    assert (step.status.message, step.status.code) == ("ValueError", 2)
    assert "secret" not in str(_Collector.spans)  # an error's words may name footage


def test_nothing_is_loaded_without_a_collector():
    code = "import sys; from heterodub.tasks.monitoring.spans import file_span, span\nwith span('x'): file_span(1, 2)\n"
    code += "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_missing_exporter_is_said_and_costs_nothing(collector):
    """Also where it is installed: a None in sys.modules is a module that is not there."""
    hidden = "import sys; sys.modules['opentelemetry.exporter'] = None\n" + SCRIPT
    assert "pip install 'heterodub[telemetry]'" in written(hidden, collector)
    assert _Collector.spans == []
