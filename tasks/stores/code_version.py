"""Which code made a release or a run."""

import subprocess
from importlib.metadata import version
from pathlib import Path


def code_version() -> str:
    """Version of heterodub, with the git commit when it runs from a checkout."""
    place = Path(__file__).parent
    try:
        asked = subprocess.run(
            ["git", "-C", str(place), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return version("heterodub")
    commit = asked.stdout.strip()
    return f"{version('heterodub')}+{commit}" if asked.returncode == 0 and commit else version("heterodub")
