"""Placeholder until the answers land."""

import typer


def register(app: typer.Typer) -> None:
    """Nothing yet."""
