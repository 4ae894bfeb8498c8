"""The locks: complete, with hashes, apart, and every package with its licence in THIRD_PARTY.md."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
THIRTEENTH = {"python_full_version": "3.11.13", "extra": ""}
LOCKS = ("requirements.lock", "requirements-dev.lock")


def pins(lock: str) -> dict[str, tuple[str, list[str]]]:
    """Version and hashes by package."""
    collected = {}
    for entry in re.split(r"\n(?! )", (ROOT / lock).read_text().strip()):
        name, version = entry.split()[0].split("==")
        collected[name] = version, re.findall(r"--hash=sha256:([0-9a-f]{64})\b", entry)
    return collected


def wanted(part: list[str]) -> dict[str, str]:
    return {canonicalize_name(one.name): str(one.specifier)[2:] for one in map(Requirement, part)}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_a_lock_has_hashes(lock):
    assert [name for name, (_, hashes) in pins(lock).items() if not hashes] == []


def test_torch_has_a_single_locked_wheel():
    """pip would take PyPI's before the one for CPUs, and that does not run without packages that no lock holds."""
    assert len(pins("requirements.lock")["torch"][1]) == 1


def test_runtime_lock_holds_what_the_project_asks_for_and_no_tool_of_its_development():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runs, develops = (pins(lock) for lock in LOCKS)
    extras = project["optional-dependencies"]
    for asked, lock in ((project["dependencies"], runs), (extras["dev"] + extras["postgres"], develops)):
        assert {name: version for name, version in wanted(asked).items() if lock.get(name, ("",))[0] != version} == {}
    assert not runs.keys() & develops.keys()


def test_runtime_lock_holds_what_packages_ask_for_on_earlier_releases_of_this_python():
    """A lock is made on one release, whose markers leave out what the others need."""
    locked = pins("requirements.lock")
    asked = [Requirement(line) for name in locked for line in metadata.distribution(name).requires or []]
    first = {"python_full_version": "3.11.0", "extra": ""}
    early = [one for one in asked if one.marker and one.marker.evaluate(first) and not one.marker.evaluate(THIRTEENTH)]
    assert "async-timeout" in {one.name for one in early}
    assert [str(one) for one in early if canonicalize_name(one.name) not in locked] == []


def test_every_locked_package_has_its_licence_on_the_page():
    rows = re.findall(
        r"^\| ([a-z0-9-]+) \| ([^|]+) \| (use|development) \|$", (ROOT / "THIRD_PARTY.md").read_text(), re.M
    )
    result = {name: purpose for name, licence, purpose in rows if licence.strip()}
    for lock, purpose in zip(LOCKS, ("use", "development"), strict=True):
        assert {name for name in pins(lock) if result.get(name) != purpose} == set()
    assert len(result) == sum(len(pins(lock)) for lock in LOCKS)


def runtime_of(lock: Path, folder: Path) -> subprocess.CompletedProcess:
    """Make the environment of a lock as CI does."""
    words = [sys.executable, str(ROOT / ".ci" / "runtime.py"), str(folder), str(lock)]
    return subprocess.run(words, capture_output=True, text=True)


def test_runtime_environment_holds_what_a_lock_names_and_nothing_else(tmp_path):
    lock, folder = tmp_path / "some.lock", tmp_path / "runtime"
    lock.write_text(f"six=={pins('requirements.lock')['six'][0]} \\\n    --hash=sha256:0\n")
    assert runtime_of(lock, folder).returncode == 0
    look = "import importlib.util as u; import six, heterodub; print(six.__file__, u.find_spec('numpy'))"
    seen = subprocess.run([folder / "bin" / "python", "-c", look], capture_output=True, text=True, check=True)
    assert seen.stdout.split() == [str(next(folder.glob("lib/*/site-packages/six.py"))), "None"]


@pytest.mark.parametrize("pin", ["six==0.1", "no-such-package==1.0"])
def test_runtime_environment_refuses_what_is_not_installed(tmp_path, pin):
    (lock := tmp_path / "some.lock").write_text(f"{pin} \\\n    --hash=sha256:0\n")
    ended = runtime_of(lock, tmp_path / "runtime")
    assert ended.returncode == 1 and "run `make setup`" in ended.stderr
