"""What the commands about dubbings are checked for: dub, evaluate dub. Nothing is written; a child process decodes."""

from collections.abc import Sequence
from pathlib import Path

from schemas.cards import GENERATOR, TRANSLATOR
from schemas.config.dubbing import LANDMARK_WARP, NEWEST, DubJob
from schemas.config.settings import Settings, load_settings
from schemas.errors import DubbingError, HeterodubError
from schemas.reasons import Stage
from tasks.dubbing.batch import check_jobs, read_jobs

from .parts import require_clips, require_model


def check_dub(
    jobs: Sequence[DubJob], generator: str, translator: str, settings: Settings, written: bool = True
) -> dict[int, str]:
    """Refuse dubbings of which none could be made; returns what is wrong with the others, by place. written: outputs
    are going to be written.

    Raises: DubbingError - what is wrong with the models and with every job, all at once.
    """
    faults = check_jobs(jobs, settings, written)
    in_the_way = _faults_of_models(settings, generator, translator)
    if in_the_way or len(faults) == len(jobs):
        raise DubbingError("; ".join(dict.fromkeys([*in_the_way, *faults.values()])))
    return faults


def check_manifest(
    manifest: str, generator: str, translator: str, workspace: str | None, config: str | None
) -> dict[int, str]:
    """Refuse a manifest of which no job could be done; returns as check_dub.

    Raises: SourceError - it cannot be read. Otherwise as check_dub; SettingsError.
    """
    settings = load_settings(config, workspace=workspace)
    return check_dub(read_jobs(Path(manifest)), generator, translator, settings)


def check_evaluate_dub(
    manifest: str, generator: str, translator: str, release: str | None, workspace: str | None, config: str | None
) -> dict[int, str]:
    """Refuse an evaluation of dubbings that could not begin; returns as check_dub.

    Raises: NotFoundError, TrainingError - the release. WorkspaceError. Otherwise as check_manifest.
    """
    settings = load_settings(config, workspace=workspace)
    require_clips(settings, release, Stage.STAGE1, "train")
    return check_dub(read_jobs(Path(manifest)), generator, translator, settings, written=False)


def _faults_of_models(settings: Settings, generator: str, translator: str) -> list[str]:
    faults = []
    for kind, name in ((GENERATOR, generator), (TRANSLATOR, translator)):
        try:
            if name != LANDMARK_WARP:
                require_model(settings, kind, None if name == NEWEST else name)
        except HeterodubError as error:
            faults.append(str(error))
    return faults
