"""All settings in one tree, from a TOML file, HETERODUB_* variables and arguments (the later wins).

`HETERODUB_RUN__WORKERS=4` sets `[run] workers`. Nothing below flows/ reads the environment.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from heterodub.schemas.contract import EXTRACTOR_VERSION
from heterodub.schemas.errors import SettingsError
from heterodub.schemas.toml import describe, parse_toml

from .baselines import BaselineSettings
from .cores import usable_cores
from .dubbing import DubSettings
from .identity import IdentitySettings
from .provenance import ProvenanceSettings
from .sections import Address, DriftSettings, LimitSettings, LogSettings, RetrainSettings, Section, SplitSettings
from .training import Device, Stage1Settings
from .translation import Stage2Settings

_PREFIX = "HETERODUB_"
_FILE_VARIABLE = "HETERODUB_CONFIG"
"""Variable that names the settings file, as --config does."""

_OF_THE_OWNER = frozenset({"trust_footage", "require_sandbox"})
"""Limits that whoever merely put a file beside footage may not loosen."""

_NOT_SETTINGS = (_FILE_VARIABLE, "HETERODUB_CORPORA")
"""Variables of ours that set no field; the second is read by tests only."""

Backend = Literal["face_mesh_v1", "face_mesh_v1r", "face_mesh_v2", "face_alignment"]


class ClipSettings(Section):
    """Settings of cutting footage into clips. Part of a clip's identity: changing one makes new clips."""

    min_s: float = Field(1.0, gt=0, le=10, description="shortest clip, seconds")
    max_s: float = Field(10.0, ge=1, le=60, description="longest clip, seconds")
    max_faces: int = Field(4, ge=1, le=16, description="faces followed at once, largest first")
    detect_every_frames: int = Field(12, ge=1, description="frames (25 fps) between two searches for new faces")
    min_mesh_score: float = Field(0.5, ge=0, le=1, description="mesh score under which a frame counts as untracked")
    cut_threshold: float = Field(3.0, gt=0, description="PySceneDetect's adaptive threshold for a shot cut")
    crop_px: int = Field(256, ge=64, le=1024, multiple_of=16, description="side of stored face crops, pixels, at most")
    crop_margin: float = Field(1.6, ge=1, le=3, description="side of the crop over the height of the face")
    crop_quality: int = Field(95, ge=50, le=100, description="JPEG quality of stored face crops")
    dnsmos_below_snr_db: float = Field(
        25, description="clips with a better SNR and nothing loud beside speech skip DNSMOS"
    )
    dnsmos_excerpt_s: float = Field(9.01, ge=0, le=9.01, description="speech rated by DNSMOS per clip, seconds; 0: off")
    remeasure: int = Field(0, ge=0, description="raise it to have all footage measured again, as for a later extra")

    @model_validator(mode="after")
    def _halves_are_long_enough(self) -> Self:
        """Require that a track a little over the limit can be cut into two halves that are both clips."""
        if self.max_s < 2 * self.min_s:
            raise ValueError(f"max_s ({self.max_s:g}) must be at least twice min_s ({self.min_s:g})")
        return self


class RunSettings(Section):
    """Distribution of an ingest over the machine. Changes speed, never rows."""

    workers: int = Field(
        default_factory=usable_cores, ge=1, description="local Dask workers; by default one for each core"
    )
    dask: Address | None = Field(None, description="address of a running Dask scheduler, such as tcp://host:8786")
    commit_files: int = Field(64, ge=1, description="files per store commit")
    commit_s: float = Field(30, gt=0, description="and at least one commit in this many seconds")


class StoreSettings(Section):
    """Retention of old versions of the tables, beside releases."""

    retention_days: int = Field(
        7,
        ge=1,
        description="days for which log entries, and files that no release or newest version names, stay on the disk",
    )


class WeightSettings(Section):
    """Paths of model files that no package carries."""

    face_landmarker_v2: Path | None = Field(None, description="MediaPipe's face_landmarker.task bundle (float16/1)")
    fan_2d: Path | None = Field(None, description="face-alignment's 2DFAN4-11f355bf06.pth.tar")
    s3fd: Path | None = Field(None, description="face-alignment's s3fd-619a316812.pth")
    vgg19: Path | None = Field(None, description="torchvision's vgg19-dcbb9e9d.pth, for stage 2's perceptual loss")
    vgg_face: Path | None = Field(
        None,
        description="VGGFace's VGG-16 for the face-recognition loss, as published: vgg_face_dag.pth, or VGG_FACE.t7 as "
        "a torch state dict of conv_1_1.weight to fc8.bias",
    )

    @property
    def paths(self) -> tuple[str, ...]:
        """Those that are set."""
        return tuple(str(path) for _, path in self if path is not None)


class TrackingSettings(Section):
    """Place of runs and models. Changes no row and no model."""

    uri: str | None = Field(
        None,
        pattern=r"^(https?|sqlite|postgresql|mysql|mssql)(\+\w+)?://",
        description="MLflow server or database; without one, the folder mlflow in a local workspace",
    )
    experiment: str = Field(
        "heterodub",
        min_length=1,
        description="MLflow experiment of trainings; evaluations, promotions and dubs have NAME-evaluation, "
        "NAME-promotion and NAME-dubbing",
    )
    system_metrics: bool = Field(
        True,
        description="log the load of cores, memory, disk, network and GPUs to a training's run, once a minute",
    )


class Settings(Section):
    """The whole tree. A plain record: it travels to workers, which read no environment and no file."""

    workspace: Address = Field(
        "heterodub-workspace",
        description="folder, or place in a store such as s3://bucket/place, that holds every table",
    )
    backend: Backend = Field("face_mesh_v1", description="landmark backend")
    policy: Path | None = Field(
        None, description="routing policy file, or preset: lrs2, lrw; without one, the default policy"
    )
    promotion: Path | None = Field(None, description="promotion policy file; without one, the default one")
    device: Device = Field(
        "auto", description="what networks are trained, evaluated and used on; auto: an accelerator if there is one"
    )
    clips: ClipSettings = ClipSettings()
    senones: bool = Field(
        False,
        description="score the speech of stage-1 clips by an English speech recogniser, for generators that read the "
        "scores; needs the extra `senones`; clips that are stored already keep what they have",
    )
    identity: IdentitySettings = Field(default_factory=IdentitySettings, description="recognition of people")
    limits: LimitSettings = LimitSettings()
    run: RunSettings = Field(default_factory=RunSettings)
    stores: StoreSettings = StoreSettings()
    splits: SplitSettings = SplitSettings()
    weights: WeightSettings = WeightSettings()
    tracking: TrackingSettings = TrackingSettings()
    stage1: Stage1Settings = Field(default_factory=Stage1Settings, description="training of the landmark generator")
    stage2: Stage2Settings = Field(default_factory=Stage2Settings, description="training of the landmark translation")
    baselines: BaselineSettings = Field(
        default_factory=BaselineSettings, description="training of what the paper compares with"
    )
    dub: DubSettings = Field(default_factory=DubSettings, description="dubbing of videos")
    provenance: ProvenanceSettings = Field(
        default_factory=ProvenanceSettings,
        description="marks on dubs: signature and watermark; whose signatures are trusted",
    )
    retrain: RetrainSettings = Field(default_factory=RetrainSettings, description="retraining on a schedule")
    drift: DriftSettings = Field(default_factory=DriftSettings, description="when a corpus that changes is warned of")
    log: LogSettings = Field(default_factory=LogSettings, description="lines on stderr")

    @property
    def extractor(self) -> str:
        """Identity of everything that turns bytes into rows: version, backend, and the clip settings."""
        clips = hashlib.sha256(self.clips.model_dump_json().encode()).hexdigest()[:8]
        return f"{EXTRACTOR_VERSION}-{self.backend}-{clips}"

    @property
    def hash(self) -> str:
        """Identity of the settings that can change a release: 12 hex digits."""
        sections = self.model_dump_json(include={"backend", "clips", "identity", "senones", "splits"})
        return hashlib.sha256(sections.encode()).hexdigest()[:12]

    def rooted(self) -> Self:
        """Return the settings with absolute paths, for workers of a cluster, each with its own working folder."""
        root = self.workspace if "://" in self.workspace else str(Path(self.workspace).expanduser().absolute())
        sections = {name: _rooted(section) for name, section in self if isinstance(section, Section)}
        return self.model_copy(update={"workspace": root, **sections})


def _rooted(section: Section) -> Section:
    paths = {name: path.expanduser().absolute() for name, path in section if isinstance(path, Path)}
    return section.model_copy(update=paths) if paths else section


class _Sources(BaseSettings, Settings):
    """Sources of the tree's values; only load_settings makes one."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(config: str | Path | None = None, **overrides: Any) -> Settings:
    """Load settings from a file, the environment and overrides.

    The file is `config`, else the one that HETERODUB_CONFIG names, else heterodub.toml in the working folder, if there.
    The last may lie in any folder, also in footage of strangers, so it may not hold addresses.
    Overrides that are None, also inside a section, are ignored, so that absent command-line options can be passed.

    Raises: SettingsError - the file is missing or not TOML, holds addresses that it may not, or a value is bad (the
    text names field and value).
    """
    named = config or os.environ.get(_FILE_VARIABLE)
    source = Path(named) if named else Path("heterodub.toml")
    if named and not source.is_file():
        raise SettingsError(f"settings file {source} is not there")
    if not named and source.is_file():
        _refuse_addresses(source)
    _refuse_unknown_variables()

    class FromFile(_Sources):
        model_config = SettingsConfigDict(toml_file=source)

    arguments = _given(overrides)
    try:
        return Settings.model_validate(FromFile(**arguments).model_dump())
    except ValidationError as error:
        raise SettingsError(f"settings: {describe(error, Settings)}") from error
    except (ValueError, RecursionError) as error:  # tomllib's errors, which pydantic-settings passes on
        raise SettingsError(f"settings file {source}: {error}") from error


def _refuse_addresses(source: Path) -> None:
    """Refuse a file whose writer would decide which scheduler runs code, which server gets the password, that its
    footage is trusted, and who signs.
    """
    try:
        tree = parse_toml(source.read_text("utf-8"))
    except (OSError, ValueError):
        return  # reported when its values are read
    if names := sorted(_addresses(tree)):
        raise SettingsError(
            f"{source.absolute()} sets {', '.join(names)}, but was only found in the working folder: there a file sets "
            f"no addresses. If it is yours, name it: --config {source}, or {_FILE_VARIABLE}={source.absolute()}"
        )
    trusting = [
        f"{section}.{name}" for section, name in _fields(tree) if section == "provenance" or name in _OF_THE_OWNER
    ]
    if trusting:
        raise SettingsError(
            f"{source.absolute()} sets {min(trusting)}, but was only found in the working folder: there a file "
            f"says nothing of trust. If it is yours, name it: --config {source}"
        )


def _fields(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for section, values in tree.items():
        yield from ((section, name) for name in (values if isinstance(values, dict) else ()))


def _addresses(value: Any, name: str = "") -> Iterator[str]:
    match value:
        case dict():
            for key, inner in value.items():
                yield from _addresses(inner, f"{name}.{key}".lstrip("."))
        case list():
            for inner in value:
                yield from _addresses(inner, name)
        case str() if "://" in value or name.lower() == "run.dask":  # Dask takes a bare host:port
            yield name


def _refuse_unknown_variables() -> None:
    """Refuse a variable with our prefix that sets nothing, such as one with one underscore where two belong."""
    for name in os.environ:
        section, *inner = name.removeprefix(_PREFIX).lower().split("__")
        if name.startswith(_PREFIX) and section not in Settings.model_fields and name not in _NOT_SETTINGS:
            raise SettingsError(
                f"the variable {name} sets nothing: there is no setting {'.'.join([section, *inner])!r}. "
                f"Known are {', '.join(Settings.model_fields)}; a section's field stands after two underscores, "
                f"as in {_PREFIX}RUN__WORKERS"
            )


def _given(overrides: dict[str, Any]) -> dict[str, Any]:
    cleaned = {name: _given(value) if isinstance(value, dict) else value for name, value in overrides.items()}
    return {name: value for name, value in cleaned.items() if value is not None and value != {}}
