"""Make an environment that holds what a lock names and nothing else: links to the files of the one that runs this.

    .venv/bin/python .ci/runtime.py build/runtime requirements.lock

Those were checked against their hashes when they were installed, so they are neither fetched nor compiled once more.
"""

import os
import re
import shutil
import sys
import venv
from importlib import metadata
from importlib.util import cache_from_source
from pathlib import Path

ITSELF = "heterodub"


def main() -> None:
    """Make the environment of the first argument anew, from the lock of the second."""
    folder, lock = map(Path, sys.argv[1:])
    venv.create(folder, clear=True, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name, version in pins(lock).items():
        link(installed(name, version), packages)
    link(metadata.distribution(ITSELF), packages)
    (folder / ".ready").touch()


def pins(lock: Path) -> dict[str, str]:
    """Return the version of each package that a lock names."""
    return dict(re.findall(r"^([^\s=#]+)==(\S+)", lock.read_text(), re.MULTILINE))


def installed(name: str, version: str) -> metadata.Distribution:
    """Return an installed package of that version.

    Raises: SystemExit - another version is installed, or none.
    """
    try:
        result = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise SystemExit(f"{name} {version} is locked and not installed: run `make setup`") from None
    if result.version.partition("+")[0] != version:
        raise SystemExit(f"{name} {version} is locked, and {result.version} installed: run `make setup`")
    return result


def link(package: metadata.Distribution, target: Path) -> None:
    """Link a package's files and their byte code; not its commands, which would start the other interpreter."""
    for file in package.files or []:
        source = Path(str(package.locate_file(file)))
        if ".." in file.parts or source.suffix == ".pyc":
            continue
        place(source, target / file)
        if source.suffix == ".py" and (compiled := Path(cache_from_source(str(source)))).exists():
            place(compiled, Path(cache_from_source(str(target / file))))


def place(source: Path, target: Path) -> None:
    """Make a file here from one there: the same one, or a copy on another disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # packages of one namespace may share a file
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


if __name__ == "__main__":
    main()
