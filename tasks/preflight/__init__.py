"""Checks of a command's inputs, before anything that takes long is started. No Prefect, networks or decoders."""
