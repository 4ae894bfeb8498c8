"""Checks of the commands about dubbing: dub, evaluate dub. Nothing is written; a child process decodes."""

from collections.abc import Sequence
from pathlib import Path

from heterodub.schemas.acceptance import load_acceptance_policy
from heterodub.schemas.cards import GENERATOR, TRANSLATOR
from heterodub.schemas.config.dubbing import LANDMARK_WARP, NEWEST, DubJob
from heterodub.schemas.config.settings import Settings, load_settings
from heterodub.schemas.errors import DubbingError, HeterodubError, SigningError
from heterodub.schemas.reasons import Stage
from heterodub.tasks.dubbing.batch import check_jobs
from heterodub.tasks.dubbing.jobs import read_jobs
from heterodub.tasks.dubbing.model_lookup import model_by_default
from heterodub.tasks.provenance.certificate import open_signer

from .parts import require_clips, require_model


def check_dub(
    jobs: Sequence[DubJob], generator: str | None, translator: str | None, settings: Settings, written: bool = True
) -> dict[int, str]:
    """Refuse dubbings if none can be made; returns the faults of single jobs, by place. written: outputs are going to
    be written.

    Raises: DubbingError - the faults of the acceptance policy, of the models, of the signer and of every job, all at
    once.
    """
    faults = check_jobs(jobs, settings, written)
    general = [*_faults_of_policy(settings, written), *_faults_of_models(settings, generator, translator)]
    general += _faults_of_signing(settings) if written else ()
    if general or len(faults) == len(jobs):
        raise DubbingError("; ".join(dict.fromkeys([*general, *faults.values()])))
    return faults


def check_manifest(
    manifest: str,
    generator: str | None,
    translator: str | None,
    workspace: str | None,
    config: str | None,
    sign: bool | None = None,
    accept: str | None = None,
) -> dict[int, str]:
    """Refuse a manifest if no job can be done; returns as check_dub. sign: None: as the settings say. accept: an
    acceptance policy, else the settings'.

    Raises: SourceError - it cannot be read. Otherwise as check_dub; SettingsError.
    """
    settings = load_settings(config, workspace=workspace, provenance={"sign": sign}, dub={"accept": accept})
    return check_dub(read_jobs(Path(manifest)), generator, translator, settings)


def check_evaluate_dub(
    manifest: str,
    generator: str | None,
    translator: str | None,
    release: str | None,
    workspace: str | None,
    config: str | None,
) -> dict[int, str]:
    """Refuse an evaluation of dubbings that could not begin; returns as check_dub.

    Raises: NotFoundError, TrainingError - the release. WorkspaceError. Otherwise as check_manifest.
    """
    settings = load_settings(config, workspace=workspace)
    require_clips(settings, release, Stage.STAGE1, "train")
    return check_dub(read_jobs(Path(manifest)), generator, translator, settings, written=False)


def _faults_of_policy(settings: Settings, written: bool) -> list[str]:
    if written and settings.dub.measure:
        try:
            load_acceptance_policy(settings.dub.accept)
        except HeterodubError as error:
            return [str(error)]
    return []


def _faults_of_models(settings: Settings, generator: str | None, translator: str | None) -> list[str]:
    faults = []
    for kind, name in ((GENERATOR, generator), (TRANSLATOR, translator)):
        try:
            if name is None:
                name, _ = model_by_default(settings, kind)
            if name != LANDMARK_WARP:
                require_model(settings, kind, None if name == NEWEST else name)
        except HeterodubError as error:
            faults.append(str(error))
    return faults


def _faults_of_signing(settings: Settings) -> list[str]:
    try:
        if (signer := open_signer(settings.provenance)) is not None:
            from heterodub.tasks.provenance.trial import try_signing  # a dub that is not signed needs no C2PA

            try_signing(signer)
    except SigningError as error:
        return [str(error)]
    return []
