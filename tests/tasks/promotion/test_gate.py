"""The gate on a real registry: who is let through, who is refused, what the ledger and the aliases say afterwards."""

from pathlib import Path

import pyarrow as pa
import pytest

from heterodub.schemas.cards import WEIGHTS
from heterodub.schemas.errors import ModelFileError, PromotionError, SettingsError, TrackingError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.promotion import NOT_MOVED
from heterodub.tasks.monitoring.runs import runs
from heterodub.tasks.promotion import decision, evidence, gate, manual
from heterodub.tasks.steps.promote import move_champion
from heterodub.tasks.stores import tables, tombstones
from heterodub.tasks.stores.active_policy import set_policy
from heterodub.tasks.stores.workspace import Workspace
from heterodub.tasks.tracking.champions import Champions
from heterodub.tasks.tracking.ledger import Evidence, history, moves
from heterodub.tasks.tracking.lineage import lineage_of
from heterodub.tasks.tracking.models import TAKEN_DOWN
from heterodub.tasks.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, aliased, named_version
from heterodub.tasks.tracking.store import open_tracking

MODEL = "landmark-generator"


def tracking(settings):
    return open_tracking(settings.tracking, Workspace.open(settings.workspace))


def run_promotion(settings, name: str | None = None):
    """Run the steps of the flow: comparison, scores, decision, evidence, move."""
    comparison = gate.open_comparison(settings, "stage1", name)
    sheets = gate.score(comparison)
    verdict = gate.decide(comparison, sheets)
    run = evidence.log_evidence(comparison, sheets, verdict)
    if verdict.outcome == "promote":
        gate.promote(comparison, verdict, run)
    return comparison, verdict, run


def crown(settings, number: int) -> None:
    """Make a version the champion without asking what it scores."""
    ws, store = Workspace.open(settings.workspace), tracking(settings)
    champions = Champions(store, ws, MODEL)
    champions.move("promote", number, champions.reconcile().champion, "a test", Evidence(run="r", benchmark="b"))


def pointing(settings, *aliases: str) -> list[int | None]:
    store = tracking(settings)
    result = [aliased(store, MODEL, alias) for alias in aliases]
    return [one.number if one else None for one in result]


@pytest.mark.parametrize("where", ["settings", pytest.param("on_server", marks=pytest.mark.long)])
def test_gate_promotes_replaces_and_rolls_back(request, register, ws, where):
    settings = request.getfixturevalue(where)
    poor, good = register(settings, "deaf"), register(settings, "good")
    crown(settings, poor)
    assert pointing(settings, CHAMPION, CHALLENGER, PREVIOUS) == [poor, None, None]

    comparison, verdict, run = run_promotion(settings, str(good))
    assert verdict.outcome == "promote", verdict.reason
    assert pointing(settings, CHAMPION, CHALLENGER, PREVIOUS) == [good, None, poor]

    back = manual.roll_back(settings, "stage1", None, "it mumbles")
    assert (back.kind, back.from_version, back.to_version) == ("rollback", good, poor)
    assert pointing(settings, CHAMPION, PREVIOUS) == [poor, None]

    with pytest.raises(PromotionError, match=f"rolled back from it .*it mumbles.*--model {good}"):
        gate.open_comparison(settings, "stage1", None)  # nobody named it: the night would undo what a person did
    assert gate.open_comparison(settings, "stage1", str(good)).challenger.number == good

    result = history(settings, MODEL)
    assert [(row["version"], row["kind"]) for row in result] == [
        (poor, "rollback"),
        (good, "promote"),
        (poor, "promote"),
    ]
    assert result[0]["until_utc"] is None and result[1]["until_utc"] == result[0]["since_utc"]
    assert result[1]["run"] == run and result[1]["benchmark"] == comparison.benchmark.benchmark
    assert result[1]["policy"] == comparison.policy.hash and result[0]["reason"] == "it mumbles"


def test_evidence_names_the_compared_models(settings, register):
    register(settings, "good")
    comparison, verdict, run = run_promotion(settings)
    result = tracking(settings).client.get_run(run)
    assert result.data.tags["benchmark"] == comparison.benchmark.benchmark
    assert result.data.tags["outcome"] == verdict.outcome
    assert result.data.metrics["check/beats_copy/passed"] == 1.0
    assert 0 < result.data.metrics["challenger/nme_lips"] < 1
    names = {one.path for one in tracking(settings).client.list_artifacts(run, evidence.FOLDER)}
    assert comparison.strata.keys() == {clip.clip_id for clip in comparison.benchmark.clips}
    assert sum(part.clips for part in verdict.strata if part.factor == "corpus") == len(comparison.strata)
    assert {f"promotion/{name}" for name in ("verdict.json", "policy.json", "scores.json")} <= names


def test_evidence_of_an_overtaken_promotion_is_marked(settings, register, ws):
    other, good = register(settings, "other seed"), register(settings, "good")
    comparison = gate.open_comparison(settings, "stage1", str(good))
    sheets = gate.score(comparison)
    verdict = gate.decide(comparison, sheets)
    run = evidence.log_evidence(comparison, sheets, verdict)
    crown(settings, other)
    with pytest.raises(PromotionError, match="meanwhile"):
        move_champion.fn(comparison, verdict, run)
    result = tracking(settings).client.get_run(run).data.tags
    assert result["outcome"] == NOT_MOVED and "meanwhile" in result["reason"]


def test_challenger_without_audio_is_kept_out(settings, register, ws):
    good = register(settings, "good")
    run_promotion(settings)
    poor = register(settings, "deaf")
    _, verdict, _ = run_promotion(settings)
    assert verdict.outcome == "keep"
    assert pointing(settings, CHAMPION, CHALLENGER, PREVIOUS) == [good, poor, None]
    assert len(moves(ws)) == 1
    with pytest.raises(PromotionError, match="is the champion already"):
        gate.open_comparison(settings, "stage1", "@champion")


def test_ineligible_versions_are_refused_before_scoring(settings, register, ws):
    number = register(settings, "good")
    store = tracking(settings)

    def refused(match: str) -> None:
        with pytest.raises(PromotionError, match=match):
            gate.open_comparison(settings, "stage1", str(number))
        assert pointing(settings, CHAMPION, CHALLENGER) == [None, None]

    store.client.set_model_version_tag(MODEL, str(number), TAKEN_DOWN, "speaker 1")
    refused("taken down")
    store.client.delete_model_version_tag(MODEL, str(number), TAKEN_DOWN)
    release = store.client.get_model_version(MODEL, str(number)).tags["release"]
    store.client.set_model_version_tag(MODEL, str(number), "release", "r-nobody-knows")
    refused("release is unknown")
    store.client.delete_model_version_tag(MODEL, str(number), "release")
    refused("no tag release")
    store.client.set_model_version_tag(MODEL, str(number), "release", release)
    tables.update_columns(
        ws, "releases", pa.table({"release_id": [release], "audit": ['{"passed": false}']}), key="release_id"
    )
    refused("no audit that passed")


def _all_ways(settings, number):
    """Calls that may each end with the version as champion."""
    return (
        lambda: gate.open_comparison(settings, "stage1", str(number)),
        lambda: manual.roll_back(settings, "stage1", number, "all the same"),
        lambda: manual.promote_override(settings, "stage1", str(number), "all the same"),
    )


def withdraw(ws, media: str, consent: str | None) -> None:
    rows = {"media_id": [media], "consent": pa.array([consent], pa.string())}
    tables.update_columns(ws, "catalog", pa.table(rows), key="media_id")


def test_challenger_is_rechecked_after_approval(settings, register, ws):
    """Its footage is taken down, by the tag and, where its training ended later, without; or its consent is withdrawn;
    or it is deleted.
    """
    number = register(settings, "good")
    comparison = gate.open_comparison(settings, "stage1", None)
    verdict = decision.PromotionDecision("promote", "a test", 16, 8, ())
    store = tracking(settings)

    def refused(error: type[Exception], match: str) -> None:
        with pytest.raises(error, match=match):
            gate.promote(comparison, verdict, "r", "Ada")
        assert (pointing(settings, CHAMPION), moves(ws)) == ([None], [])

    store.client.set_model_version_tag(MODEL, str(number), TAKEN_DOWN, "speaker 1")
    refused(PromotionError, "taken down .speaker 1")
    store.client.delete_model_version_tag(MODEL, str(number), TAKEN_DOWN)
    seen = lineage_of(store, comparison.challenger)[0]["media_id"]
    set_policy(ws, load_policy())
    withdraw(ws, seen, "withdrawn: letter of May")
    refused(PromotionError, "the policy's rights bar 1 file of its training .*: consent_not_permitted")
    for attempt in _all_ways(settings, number):
        with pytest.raises(PromotionError, match="consent_not_permitted"):
            attempt()
    withdraw(ws, seen, None)
    tombstones.bar(ws, "speaker", "somebody", [seen], "asked for")
    refused(PromotionError, f"1 of the files .* were taken down, such as {seen[:12]}")
    for attempt in _all_ways(settings, number):
        with pytest.raises(PromotionError, match="were taken down"):
            attempt()
    store.client.delete_model_version(MODEL, str(number))
    register(settings, "other seed")
    refused(TrackingError, f"has no version {number}")


def test_benchmark_with_missing_clips_is_refused(settings, register, ws):
    register(settings, "good")
    frozen = gate.open_comparison(settings, "stage1", None).benchmark
    tables.delete_rows(ws, "stage1", "clip_id", [frozen.clips[0].clip_id])
    with pytest.raises(PromotionError, match="not stored any more"):
        gate.open_comparison(settings, "stage1", None)


@pytest.mark.parametrize("role", ["challenger", "champion"])
def test_model_that_was_trained_on_the_benchmark_is_refused(settings, register, ws, role):
    """As a challenger; and as a champion, which a person may make of any version."""
    from heterodub.tasks.tracking.lineage import keep_lineage
    from heterodub.tasks.tracking.runs import TrackedRun

    number = register(settings, "other seed")
    store = tracking(settings)
    if role == "champion":
        crown(settings, number)
        register(settings, "good")
        gate.open_comparison(settings, "stage1", None)
    clips = tables.read(ws, "clips", ["clip_id", "media_id", "split"]).to_pylist()
    leak = next(row for row in clips if row["split"] == "test")
    run = TrackedRun(store, named_version(store, MODEL, str(number)).run_id, resumed=True)
    keep_lineage(run, [(leak["clip_id"], leak["media_id"], "train")])
    result = "the champion, .*" if role == "champion" else ""
    with pytest.raises(PromotionError, match=f"{result}trained on 1 file of benchmark"):
        gate.open_comparison(settings, "stage1", None)


@pytest.mark.parametrize("role", ["challenger", "champion"])
def test_corrupted_model_file_is_refused(settings, register, ws, role):
    champion = register(settings, "other seed")
    crown(settings, champion)
    challenger = register(settings, "good")
    broken = champion if role == "champion" else challenger
    place = tracking(settings).client.get_model_version_download_uri(MODEL, str(broken))
    weights = Path(place) / "artifacts" / "generator" / WEIGHTS
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 0xFF]))
    comparison = gate.open_comparison(settings, "stage1", None)
    with pytest.raises(ModelFileError, match=WEIGHTS):
        gate.score(comparison)
    assert pointing(settings, CHAMPION) == [champion]
    assert len(moves(ws)) == 1


def test_rollback_to_a_corrupted_or_taken_down_version_is_refused(settings, register, ws):
    first, second = register(settings, "other seed"), register(settings, "good")
    crown(settings, first)
    crown(settings, second)
    store = tracking(settings)
    store.client.set_model_version_tag(MODEL, str(first), TAKEN_DOWN, "speaker 1")
    with pytest.raises(PromotionError, match="taken down"):
        manual.roll_back(settings, "stage1", None, "back")
    store.client.delete_model_version_tag(MODEL, str(first), TAKEN_DOWN)
    place = Path(store.client.get_model_version_download_uri(MODEL, str(first)))
    (place / "artifacts" / "generator" / WEIGHTS).write_bytes(b"")
    with pytest.raises(ModelFileError, match=WEIGHTS):
        manual.roll_back(settings, "stage1", None, "back")
    assert pointing(settings, CHAMPION) == [second]


def test_deleted_and_unknown_versions_are_refused(settings, register, ws):
    first = register(settings, "other seed")
    crown(settings, first)
    second = register(settings, "good")
    for name in ("99", "@nobody", "0" * 32):
        with pytest.raises(TrackingError, match="has no version"):
            gate.open_comparison(settings, "stage1", name)
    with pytest.raises(PromotionError, match="no champion before"):
        manual.roll_back(settings, "stage1", None, "back")
    with pytest.raises(SettingsError, match="no evaluator of"):
        gate.open_comparison(settings, "stage9", None)
    tracking(settings).client.delete_model_version(MODEL, str(first))
    with pytest.raises(PromotionError, match="was deleted from the registry"):
        gate.open_comparison(settings, "stage1", None)
    with pytest.raises(PromotionError, match=r"never champion"):
        manual.roll_back(settings, "stage1", second, "the champion was deleted")
    assert manual.promote_override(settings, "stage1", str(second), "the champion was deleted").kind == "override"
    assert pointing(settings, CHAMPION) == [second]


def test_rollback_skips_a_deleted_champion(settings, register, again):
    first = register(settings, "other seed")
    second, third = again(settings, first), again(settings, first)
    for number in (first, second, third):
        crown(settings, number)
    tracking(settings).client.delete_model_version(MODEL, str(second))
    assert manual.roll_back(settings, "stage1", None, "back").to_version == first
    assert pointing(settings, CHAMPION, PREVIOUS) == [first, None]


def test_missing_version_or_unusable_policy_names_the_remedy(settings, policy, tmp_path):
    with pytest.raises(TrackingError, match="makes one"):
        gate.open_comparison(settings, "stage1", None)
    (tmp_path / "typo.toml").write_text(policy.read_text().replace("jitter", "jiter"))
    with pytest.raises(SettingsError, match="unknown name 'jiter'"):
        gate.open_comparison(settings.model_copy(update={"promotion": tmp_path / "typo.toml"}), "stage1", None)


def test_rollback_takes_former_champions_and_override_any_version(settings, register, again, ws):
    """A version just refused cannot be reached by rollback, and the ledger marks an override."""
    first = register(settings, "other seed")
    second, third = again(settings, first), again(settings, first)
    with pytest.raises(PromotionError, match=rf"version {first} was never champion, nor was any.*--override"):
        manual.roll_back(settings, "stage1", first, "back")
    assert (moves(ws), pointing(settings, CHAMPION)) == ([], [None])

    made = manual.promote_override(settings, "stage1", str(second), "the benchmark is too small to tell")
    assert (made.kind, made.from_version, made.to_version) == ("override", None, second)
    with pytest.raises(PromotionError, match="is the champion"):
        manual.promote_override(settings, "stage1", str(second), "once more")
    manual.promote_override(settings, "stage1", None, "the newest")
    with pytest.raises(PromotionError, match=rf"version {first} was never champion .these were: {second}, {third}"):
        manual.roll_back(settings, "stage1", first, "back")
    assert manual.roll_back(settings, "stage1", second, "back").kind == "rollback"
    assert manual.roll_back(settings, "stage1", third, "and forth").to_version == third
    assert pointing(settings, CHAMPION, PREVIOUS) == [third, second]
    kinds = [(row["kind"], row["version"]) for row in history(settings, MODEL)]
    assert kinds == [("rollback", third), ("rollback", second), ("override", third), ("override", second)]


def test_manual_moves_are_logged_runs(settings, register, ws, policy):
    register(settings, "other seed")
    result = manual.override("asked for", workspace=ws.root)
    assert (result["kind"], result["reason"], result["state"]) == ("override", "asked for", "done")
    with pytest.raises(PromotionError, match=r"is the champion of .* already"):
        manual.rollback("back", to=1, workspace=ws.root)
    refused, done = runs(ws)
    assert (done.flow, done.state, done.named("move").facts["outcome"]) == ("promote", "done", "override")
    assert (refused.flow, refused.state, refused.error) == ("rollback", "failed", "PromotionError")
