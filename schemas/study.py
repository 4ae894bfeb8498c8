"""Files of a rating study: its key, and the responses of raters. The page itself holds neither."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from .config.sections import Section

Question = Literal["visual", "sync", "identity"]

QUESTIONS: Final[tuple[Question, ...]] = ("visual", "sync", "identity")

HEADINGS: Final[dict[Question, str]] = {"visual": "visual quality", "sync": "lip sync", "identity": "identity"}
"""The paper's names (Table 2)."""

LEAST, MOST = 1, 5

Grade = Annotated[int, Field(ge=LEAST, le=MOST, strict=True)]
Grades = dict[Question, Grade]


class Item(Section):
    """A video of the page, unblinded. clip: what it shows. system: that made it. expected: of an attention check,
    the required grades; such a video belongs to no system.
    """

    clip: str
    system: str | None = None
    expected: Grades | None = None


class StudyKey(Section):
    """Key that unblinds a study; never given to raters. items: by the id on the page. forms: the orders of items, of
    which a rater gets one. page_sha256: of the page it belongs to.
    """

    kind: Literal["heterodub-study-key"] = "heterodub-study-key"
    study: str
    title: str
    systems: tuple[str, ...]
    items: dict[str, Item]
    forms: tuple[tuple[str, ...], ...]
    page_sha256: str

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Each system shows each clip once, and forms order what there is: scores rely on both."""
        clips = sorted({item.clip for item in self.items.values()})
        for system in self.systems:
            if sorted(item.clip for item in self.items.values() if item.system == system) != clips:
                raise ValueError(f"system {system} has not one video of each clip")
        if unknown := {name for form in self.forms for name in form} - self.items.keys():
            raise ValueError(f"forms show {min(unknown)!r}, which is no item")
        return self


class StudyResponse(Section):
    """A rater's grades of one video. plays: how often it was played. seconds: from first sight to last grade."""

    item: str
    grades: Grades
    plays: int = Field(ge=0)
    seconds: float = Field(ge=0)


class Answers(Section):
    """A file that a rater's page saved. rater: the number that the rater was given. form: which order was shown, from
    0. finished: every video was graded.
    """

    kind: Literal["heterodub-study-answers"] = "heterodub-study-answers"
    study: str
    rater: int = Field(ge=1)
    form: int = Field(ge=0)
    started_utc: str
    saved_utc: str
    finished: bool
    answers: tuple[StudyResponse, ...]
