"""Limits of what one file may cost, and of what may be opened."""

from pydantic import Field, field_validator

from heterodub.schemas.addresses import origin_of

from .sections import Section


class LimitSettings(Section):
    """Limits on what one file may cost before it is set aside, and the web servers files may lie on."""

    max_pixels: int = Field(7680 * 4320, gt=0, description="largest picture that is decoded, pixels")
    max_duration_s: float = Field(24 * 3600, gt=0, description="longest file that is worked on, seconds")
    time_limit_s: float = Field(120, gt=0, description="seconds of work any file may take")
    time_limit_factor: float = Field(5, gt=0, description="and in addition this many seconds per second of media")
    least_fetch_bytes_per_s: float = Field(
        200_000, gt=0, description="slowest disk or store that is waited for, bytes per second"
    )
    memory_limit_gib: float = Field(4, gt=0.5, description="memory of the process that works on a file, GiB")
    attempts: int = Field(
        3,
        ge=1,
        le=10,
        description="times a file is tried when its process is killed, or its worker lost (local workers alone; before"
        " that, a bundle of files that are identified together is tried as often)",
    )
    web_origins: tuple[str, ...] = Field(
        (), description="web servers that sources may name or redirect to, such as https://host or http://host:8080"
    )

    @field_validator("web_origins")
    @classmethod
    def _are_origins(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        origins = {origin_of(address): address for address in addresses}
        for origin, address in origins.items():
            if origin is None or origin != address.lower().rstrip("/"):
                raise ValueError(f"{address!r} is no origin: name scheme and host alone, such as https://host")
        return tuple(str(origin) for origin in origins)

    require_sandbox: bool = Field(
        False, description="open nothing on a machine whose kernel cannot hold decoders in the whole sandbox"
    )
    trust_footage: bool = Field(
        False,
        description="footage is trusted as this program is, so decord, whose FFmpeg is of 2020, may decode short files",
    )
