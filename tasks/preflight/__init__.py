"""Checks of what a command was given, before anything that takes long is started. No Prefect, networks or decoders."""
