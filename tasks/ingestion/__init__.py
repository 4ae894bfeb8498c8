"""Ingestion: one raw file in, rows out; the work that is spread over processes and machines."""
