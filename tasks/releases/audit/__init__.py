"""The audit between writing and publishing. The only place that knows Great Expectations."""
