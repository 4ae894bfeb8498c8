"""OpenTelemetry spans of runs, steps and files, sent by OTLP over HTTP where the environment names a collector.

OpenTelemetry's own variables switch them on and configure them: OTEL_EXPORTER_OTLP_ENDPOINT (or its ..._TRACES_...),
OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_SDK_DISABLED. Nothing is loaded without
them. Spans name media by their ids and errors by their kinds: a collector must not learn who is in the footage.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_LOG: Final = logging.getLogger(__name__)


@cache
def _tracer() -> "Tracer | None":
    """Return the tracer of this process; None where nobody asks for spans, or cannot be sent any.

    A provider of our own: with a global one Prefect and others would mix in spans of theirs. It sends what is left when
    the process ends.
    """
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return None
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        _LOG.warning("no spans are sent: OpenTelemetry's exporter is missing; pip install 'heterodub[telemetry]'")
        return None
    service = {SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", "heterodub"), SERVICE_VERSION: version("heterodub")}
    provider = TracerProvider(resource=Resource.create(service))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer("heterodub", version("heterodub"))


@contextmanager
def span(name: str, **attributes: str) -> Iterator[None]:
    """Make the block a span, below the one that is open; an error marks it by its kind."""
    tracer = _tracer()
    if tracer is None:
        yield
        return
    from opentelemetry.trace import Status, StatusCode

    with tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except BaseException as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def file_span(began_ns: int, ended_ns: int, **attributes: str | int) -> None:
    """Note a file that was analysed elsewhere, below the span that is open. began_ns, ended_ns: since 1970."""
    tracer = _tracer()
    if tracer is not None:
        tracer.start_span("file", attributes=attributes, start_time=began_ns).end(ended_ns)
