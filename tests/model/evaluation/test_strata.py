"""Scores by stratum are those of its clips alone."""

from heterodub.model.evaluation.clip_scores import ClipScores
from heterodub.model.evaluation.report import ReportSpec
from heterodub.model.evaluation.strata import stratum_scores
from heterodub.schemas.strata import FACTOR_NAMES

SPEC = ReportSpec(
    ("model", "copy"), ("error",), (("model", "copy"),), ("error",), (), ("error", "error"), ("copy", "linear")
)


def _strata(corpus: str) -> dict[str, str]:
    return dict.fromkeys(FACTOR_NAMES, "all") | {"corpus": corpus}


def test_stratum_has_the_scores_of_its_clips_and_their_improvement_over_controls():
    """Two corpora: in one the model halves the copy's error, in the other, of one speaker, it doubles it."""
    errors = {("ada", 1): 0.1, ("ada", 2): 0.3, ("bob", 1): 0.4, ("eve", 1): 1.0}
    rows, strata = [], {}
    for (speaker, number), error in errors.items():
        clip = f"{speaker} {number}"
        strata[clip] = _strata("film" if speaker == "eve" else "grid")
        control = error / 2 if speaker == "eve" else error * 2
        scores = {"model": error, "copy": control}
        rows += [ClipScores(clip, speaker, system, {"error": value}) for system, value in scores.items()]
    strata["never scored"] = _strata("web")
    by_corpus = {part.stratum: part for part in stratum_scores(rows, SPEC, strata) if part.factor == "corpus"}
    assert list(by_corpus) == ["film", "grid"]
    grid, film = by_corpus["grid"], by_corpus["film"]
    assert (grid.clips, grid.speakers, film.clips, film.speakers) == (3, 2, 1, 1)
    assert abs(grid.interval.mean - 0.3) < 1e-9  # of the speakers' means 0.2 and 0.4
    assert [(gain.control, round(gain.interval.mean, 6)) for gain in grid.improvements] == [("copy", 0.5)]
    assert film.improvements[0].interval.mean == -1.0
    assert film.interval.low is None and "one speaker" in film.interval.why_missing()


def test_clips_without_strata_have_no_scores_by_stratum():
    assert stratum_scores([ClipScores("a", "ada", "model", {"error": 0.1})], SPEC, {}) == ()
