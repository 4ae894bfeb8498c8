"""Settings of who is seen and heard."""

from pydantic import Field

from .sections import Section


class IdentitySettings(Section):
    """Recognition of people. What is measured for it is biometric data: docs/identity.md."""

    embeddings: bool = Field(
        True,
        description="measure and store an embedding of the face and of the voice of each clip, by which clips of one "
        "person are found; biometric data; needs the extra `identity`, and is left out, and said so, without it; clips "
        "that are stored already keep what they have; off, new clips are given no person",
    )
