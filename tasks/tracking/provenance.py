"""Provenance of a run: settings as parameters, version of the code, installed packages."""

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from heterodub.schemas.addresses import without_passwords
from heterodub.tasks.stores.code_version import code_version

LONGEST_PARAM: Final = 6000
"""Characters of a parameter that MLflow keeps (mlflow.utils.validation.MAX_PARAM_VAL_LENGTH)."""

_CUT_MARK: Final = " ... (cut; whole in settings.json)"


class Provenance(NamedTuple):
    """Provenance as a run holds it: files by name, a text or a tree."""

    params: dict[str, str]
    tags: dict[str, str]
    files: dict[str, str | dict[str, Any]]


def provenance_of(settings: BaseModel | Mapping[str, Any], seed: int) -> Provenance:
    """Return settings, seed, code and packages as parameters, tags and files."""
    tree, packages = settings_tree(settings), installed()
    tags = {**code_tags(), "seed": str(seed), "environment": environment_hash(packages)}
    return Provenance(flattened(tree), tags, {"settings.json": tree, "environment.txt": "\n".join(packages) + "\n"})


def settings_tree(settings: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as plain JSON values, without passwords in addresses."""
    plain = settings.model_dump(mode="json") if isinstance(settings, BaseModel) else json.loads(json.dumps(settings))
    tree: dict[str, Any] = without_passwords(plain)
    return tree


def flattened(tree: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Flatten a tree to parameters: {"clips": {"min_s": 1.0}} becomes {"clips.min_s": "1.0"}.

    Lists stay whole, as JSON. A value that is too long for MLflow is cut, with a mark.
    """
    flat: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{above}{name}.")
        else:
            text = json.dumps(value) if isinstance(value, list) else str(value)
            too_long = len(text) > LONGEST_PARAM
            flat[above + name] = text[: LONGEST_PARAM - len(_CUT_MARK)] + _CUT_MARK if too_long else text
    return flat


def code_tags() -> dict[str, str]:
    """Return tags that name the code: "code" as in releases, MLflow's own for the commit, and what is not committed."""
    code = code_version()
    tags = {"code": code}
    if "+" in code:
        tags |= {"mlflow.source.git.commit": code.partition("+")[2], "code.uncommitted_files": str(_uncommitted())}
    return tags


def installed() -> list[str]:
    """List every installed distribution as "name==version", sorted; names as package indexes compare them."""
    packages = {(re.sub(r"[-_.]+", "-", part.name).lower(), part.version) for part in distributions()}
    return sorted(f"{name}=={version}" for name, version in packages)


def environment_hash(packages: list[str]) -> str:
    """Compute sha256 over the packages, one a line, in hex."""
    return hashlib.sha256("\n".join(packages).encode()).hexdigest()


def _uncommitted() -> int | None:
    """Count files of the checkout that differ from its commit; None where git does not say."""
    place = str(Path(__file__).parent)
    try:
        status = subprocess.run(
            ["git", "-C", place, "status", "--porcelain"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return len(status.stdout.splitlines()) if status.returncode == 0 else None
