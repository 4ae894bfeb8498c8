"""Settings as parameters, and what names code and packages."""

import json
import subprocess
import sys

from heterodub.schemas.config.settings import Settings
from heterodub.tasks.tracking.provenance import (
    LONGEST_PARAM,
    code_tags,
    environment_hash,
    flattened,
    installed,
    settings_tree,
)


def test_settings_tree_becomes_dotted_names():
    flat = flattened(settings_tree(Settings(workspace="here", run={"workers": 2})))
    assert flat["clips.min_s"] == "1.0"
    assert flat["run.workers"] == "2"
    assert flat["tracking.uri"] == "None"
    assert "clips" not in flat


def test_lists_stay_whole_and_paths_become_text(tmp_path):
    settings = Settings(policy=tmp_path / "p.toml")
    assert flattened(settings_tree(settings))["policy"] == str(tmp_path / "p.toml")
    assert json.loads(flattened({"a": {"b": [1, None, "c"]}})["a.b"]) == [1, None, "c"]


def test_long_mlflow_value_is_cut_and_marked():
    from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

    assert LONGEST_PARAM == MAX_PARAM_VAL_LENGTH
    flat = flattened({"fits": "x" * LONGEST_PARAM, "long": "x" * (LONGEST_PARAM + 1)})
    assert flat["fits"] == "x" * LONGEST_PARAM
    assert len(flat["long"]) == LONGEST_PARAM
    assert flat["long"].endswith("settings.json)")


def test_no_password_gets_into_parameters():
    tree = settings_tree(Settings(tracking={"uri": "http://me:secret@host"}, run={"dask": "tcp://host:1"}))
    assert "secret" not in json.dumps(tree)
    assert flattened(tree)["run.dask"] == "tcp://host:1"


def test_code_version_holds_commit_and_uncommitted_changes():
    tags = code_tags()
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert head.startswith(tags["mlflow.source.git.commit"])
    assert tags["code"].endswith(tags["mlflow.source.git.commit"])
    assert tags["code.uncommitted_files"].isdigit()


def test_environment_hash_covers_all_packages_in_any_process():
    packages = installed()
    assert {"mlflow==3.17.2", "lightning-fabric==2.6.6"} <= set(packages)
    assert packages == sorted(set(packages))
    code = "from heterodub.tasks.tracking.provenance import *; print(environment_hash(installed()))"
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert elsewhere == environment_hash(packages)
    assert environment_hash([*packages, "one-more==1"]) != elsewhere
