"""Version of the code that made a release or a run."""

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path


@cache  # what runs is what was imported, whatever the checkout holds by now
def code_version() -> str:
    """Return the version of heterodub, with the git commit when it runs from a checkout."""
    place = Path(__file__).parent
    try:
        git = subprocess.run(
            ["git", "-C", str(place), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return version("heterodub")
    commit = git.stdout.strip()
    return f"{version('heterodub')}+{commit}" if git.returncode == 0 and commit else version("heterodub")
