"""The errors a run can end with.

* HeterodubError
  + SettingsError        a setting or policy value is wrong
  + SourceError          the folder, manifest or corpus file cannot be used
  + WorkspaceError       the workspace is missing, foreign, or of another layout version
  + WeightsMissingError  a model file is not where its weight slot says
  + ModelFileError       a model of ours is missing, damaged, or does not fit what it is used on
  + TrainingError        a training cannot start or go on: no data, NaN, no room for a checkpoint
  + DubbingError         a video cannot be dubbed as asked: no such face, nowhere to write
  + SigningError         certificate or key cannot sign a dub, or a file's marks cannot be read
  + TrackingError        the tracking server cannot be reached, or holds no such run or model
  + PromotionError       a model cannot be evaluated or moved: refused, overtaken, or no data
  + BatchError           no job of a batch ended well
  + RetrainError         a step of a retraining failed; the champion is as it was
  + ClusterError         the Dask cluster cannot be reached or does not fit
  + ServerError          the Prefect server of a run does not come up
  + AuditFailedError     a store broke its expectations, so nothing was published
  + SandboxError         foreign media would be opened with more rights than the settings allow
  + NotFoundError        the user named a file, clip or release that is not there

What goes wrong with *one file* is data, not an error of the run: see MediaRefusedError, which never leaves
the worker that raised it, and reasons.FileReason.
"""

from typing import Any

from .addresses import without_password
from .reasons import FileReason


class HeterodubError(Exception):
    """Something the user can act on; its text says what and how."""


class SettingsError(HeterodubError):
    """A setting or policy value is wrong."""


class SourceError(HeterodubError):
    """The folder, manifest or corpus file cannot be used."""


class WorkspaceError(HeterodubError):
    """The workspace is missing, foreign, or of another layout version."""


class WeightsMissingError(HeterodubError):
    """A model file is not where its weight slot says."""


class ModelFileError(HeterodubError):
    """A model of ours is missing, damaged, or does not fit the data or the code it is used with."""


class TrainingError(HeterodubError):
    """A training cannot start or go on; the text says which clips or files are behind it."""


class DubbingError(HeterodubError):
    """A video cannot be dubbed as asked; the text says what stands in the way."""


class SigningError(HeterodubError):
    """Certificate or key of the operator cannot sign a dub, or the marks of a file cannot be read."""


class TrackingError(HeterodubError):
    """The tracking server cannot be reached, or holds no such run or model."""


class PromotionError(HeterodubError):
    """A model cannot be evaluated, promoted or rolled back to; nothing was moved unless the text says so."""


class _SummarisedError(HeterodubError):
    """A run that failed and has a summary all the same. summary: as of a run that ended well."""

    def __init__(self, text: str, summary: dict[str, Any]) -> None:
        super().__init__(text)
        self.summary = summary

    def __reduce__(self) -> tuple[type["_SummarisedError"], tuple[str, dict[str, Any]]]:
        return type(self), (str(self), self.summary)


class BatchError(_SummarisedError):
    """No job of a batch ended well; the summary has the cause of each."""


class RetrainError(_SummarisedError):
    """A step of a retraining failed; what was done before it is kept, and the summary has the other steps too."""


class ClusterError(HeterodubError):
    """The Dask cluster cannot be reached or runs other code."""


class ServerError(HeterodubError):
    """The Prefect server of a run does not come up."""


class AuditFailedError(HeterodubError):
    """A store broke its expectations, so nothing was published."""


class SandboxError(HeterodubError):
    """Foreign media would be opened with more rights than the settings allow."""


class NotFoundError(HeterodubError):
    """The user named a file, clip or release that is not there."""


class MediaRefusedError(Exception):
    """One file cannot be used. Caught where a file becomes a row; the reason is stored with its detail."""

    def __init__(self, reason: FileReason, detail: str = "") -> None:
        detail = without_password(detail)  # servers put addresses into their answers
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["MediaRefusedError"], tuple[FileReason, str]]:
        return type(self), (self.reason, self.detail)


def server_is_lost(error: BaseException) -> bool:
    """Return True if an error means that a Prefect server cannot be reached."""
    # compared by name: httpx is Prefect's business, and importing it costs every command time
    return any(f"{kind.__module__}.{kind.__name__}" == "httpx.TransportError" for kind in type(error).__mro__)
