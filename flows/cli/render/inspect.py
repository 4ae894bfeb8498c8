"""Rendering of lists, explanations and findings of `doctor` on a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from heterodub.flows.cli.render.tables import TableColumn, cell, console, number, pairs, show
from heterodub.schemas.display import SHORT_ID, base_name, readable_path, visible

if TYPE_CHECKING:
    from heterodub.tasks.inspect.explain import ClipAnswer, FileAnswer, LabelAnswer, Reason, SignalAnswer, StageCheck
    from heterodub.tasks.inspect.findings import Finding

Row = Mapping[str, Any]

_HEALTH: Final = {"ok": ("ok", "green"), "warning": ("WARNING", "yellow"), "problem": ("PROBLEM", "bold red")}
_ROUTE_STYLE: Final = {"both": "green", "stage1": "cyan", "stage2": "blue", "rejected": "red"}


def show_files(rows: Iterable[Row]) -> None:
    """Print rows of heterodub.tasks.inspect.list.list_files."""
    columns = [TableColumn("media"), TableColumn("file", 20, middle=True), TableColumn("state"), TableColumn("reason")]
    cells = [
        [
            cell((row["media_id"] or "")[:SHORT_ID], "dim"),
            base_name(row["uri"]),
            cell(row["state"], "yellow" if row["state"] == "quarantined" else ""),
            row["reason"],
            ", ".join(f"{row[route]} {route}" for route in _ROUTE_STYLE if row[route]),
            cell(row["error"], "dim"),
        ]
        for row in rows
    ]
    show([*columns, TableColumn("clips", 8), TableColumn("error", 12, optional=True)], cells)


def show_clips(rows: Iterable[Row]) -> None:
    """Print rows of heterodub.tasks.inspect.list.list_clips; the signals are left to csv and json."""
    columns = [TableColumn("clip"), TableColumn("file", 20, middle=True), TableColumn("from s", right=True)]
    columns += [TableColumn("length s", right=True, optional=True), TableColumn("route")]
    columns += [TableColumn("refused for", 20, folds=True), TableColumn("label", 12, folds=True, optional=True)]
    columns += [TableColumn("split", optional=True)]
    cells = [
        [
            cell(row["clip_id"][:SHORT_ID], "dim"),
            base_name(row["uri"]),
            f"{row['start_s']:.2f}",
            f"{row['length_s']:.2f}",
            cell(row["route"], _ROUTE_STYLE[row["route"]]),
            _refusals(row),
            _labels(row),
            row["split"],
            _speaker(row["speaker"]),
        ]
        for row in rows
    ]
    show([*columns, TableColumn("speaker", 12, optional=True)], cells)


def _labels(row: Row) -> str:
    stages = [("stage 1:", row["stage1_label"]), ("stage 2:", row["stage2_label"])]
    return "; ".join(f"{stage} {text}" for stage, text in stages if text)


def _refusals(row: Row) -> str:
    stages = [("stage 1:", row["stage1_reasons"]), ("stage 2:", row["stage2_reasons"])]
    return "; ".join(f"{stage} {', '.join(reasons)}" for stage, reasons in stages if reasons)


def _speaker(name: str) -> str:
    # a file without a stated speaker is listed under its whole media_id
    return name[: len("file:") + SHORT_ID] if name.startswith("file:") else name


def show_file(answer: "FileAnswer") -> None:
    """Print `explain FILE`."""
    pairs(
        [
            ("file", readable_path(answer.uri)),
            ("media", answer.media_id),
            ("state", answer.state),
            ("reason", answer.reason and f"{answer.reason.code}: {answer.reason.text}"),
            ("error", answer.error),
            *(("note", note) for note in answer.notes),
            *((name, value) for name, value in answer.facts.items()),
            *((f"stream {stream['stream']}", _stream(stream)) for stream in answer.streams),
        ]
    )
    if answer.clips_of:
        console().print(cell(f"the clips below are those of {readable_path(answer.clips_of)}"), soft_wrap=True)
    for clip in answer.clips:
        console().print()
        show_clip(clip)


def _stream(stream: Row) -> str:
    """Describe one stream of a file: its use, and the properties it was chosen by."""
    words = [f"{stream['kind']}, {stream['codec'] or 'no decoder'}", "used" if stream["used"] else "not used"]
    words += [f"{stream['channels']} channel{'s' * (stream['channels'] > 1)}"] if stream["channels"] else []
    words += ["default"] if stream["is_default"] else []
    words += [str(stream[name]) for name in ("language", "title") if stream[name]]
    if stream["changes_hz"] is not None:
        words.append(f"{number(stream['changes_hz'])} changes a second")
    if stream["av_sync_score"] is not None:
        words.append(f"sync score {number(stream['av_sync_score'])}")
    return ", ".join(words)


def show_clip(answer: "ClipAnswer") -> None:
    """Print `explain CLIP`."""
    span = f"{answer.start_s:.2f} s to {answer.start_s + answer.length_s:.2f} s ({answer.length_s:.2f} s)"
    pairs(
        [
            ("clip", answer.clip_id),
            ("of", f"{readable_path(answer.uri)}, {span}, shot {answer.shot}, face {answer.track}"),
            ("speaker", answer.speaker),
            ("person", _person(answer)),
            ("split", answer.split),
            ("near copy of", answer.near_copy_of),
            ("same scene or sound as", answer.same_scene_as),
            ("route", answer.route),
            ("stage 1", _decision(answer.stage1, answer.stage1_reasons)),
            ("stage 2", _decision(answer.stage2, answer.stage2_reasons)),
            *((f"label {label.stage}", _label(label)) for label in answer.labels),
            *(("embedding", words) for words in answer.embeddings),
            ("policy", _policy(answer)),
        ]
    )
    columns = [TableColumn("signal"), TableColumn("value", right=True), TableColumn("unit")]
    columns += [TableColumn("stage 1", 14, folds=True), TableColumn("stage 2", 14, folds=True)]
    console().print()
    show(columns, [_signal_cells(signal) for signal in answer.signals])


def _person(answer: "ClipAnswer") -> str | None:
    if answer.person is None:
        return None
    doubt = f"; in doubt: {answer.person_doubt.replace(',', ', ')}" if answer.person_doubt else ""
    return f"{answer.person}, by {answer.person_cause or 'correction'}{doubt}"


def _label(label: "LabelAnswer") -> str:
    effects = {"applied": "", "waiting": "; not applied yet: `heterodub route` does"}
    return label.text + effects.get(label.effect, f"; without effect, since no label overrules {label.effect}")


def _decision(admitted: bool, reasons: Sequence["Reason"]) -> str:
    return "admitted" if admitted else "refused: " + "; ".join(f"{reason.code} ({reason.text})" for reason in reasons)


def _policy(answer: "ClipAnswer") -> str:
    if answer.policy == answer.policy_in_force:
        return answer.policy
    admitting = [name for name, admits in (("stage 1", answer.now_stage1), ("stage 2", answer.now_stage2)) if admits]
    return (
        f"decided by {answer.policy}; the limits below are of {answer.policy_in_force}, in force now, "
        f"which would admit it to {' and '.join(admitting) or 'neither stage'}"
    )


def _signal_cells(signal: "SignalAnswer") -> list[Text]:
    missing = signal.value is None
    return [
        cell(signal.signal),
        cell(signal.missing or "no cause kept", "dim") if missing else cell(number(signal.value or 0.0)),
        cell("" if missing or signal.unit == "1" else signal.unit, "dim"),
        _stage_cell(signal.stage1),
        _stage_cell(signal.stage2),
    ]


def _stage_cell(decision: "StageCheck") -> Text:
    limits = " and ".join(f"{sign} {number(limit)}" for sign, limit in decision.limits)
    match decision.answer, decision.refuses:
        case "pass", _:
            return cell(f"pass  {limits}", "green")
        case "fail", _:
            return cell(f"FAIL  {limits}  {decision.reason}", "bold red")
        case "not_measured", True:
            return cell(f"FAIL  {limits}  not measured: {decision.reason}", "bold red")
        case "not_measured", False:
            return cell(f"not measured, accepted  {limits}", "yellow")
        case _:
            return cell("not asked", "dim")


def show_findings(findings: Iterable["Finding"]) -> None:
    """Print all findings of `doctor`, each problem with its remedy."""
    out, area = console(), ""
    for finding in findings:
        if finding.area != area:
            area = finding.area
            out.print(cell(area, "bold"))
        word, style = _HEALTH[finding.health]
        text = f"{finding.what}: {finding.detail}" if finding.detail else finding.what
        out.print(cell(f"  {word:<8}", style).append(visible(text), "not bold default"), soft_wrap=True)
        if finding.remedy:
            out.print(cell(f"           -> {finding.remedy}"), soft_wrap=True)


def show_changes(summary: Mapping[str, Any]) -> None:
    """Print what moved between two sides, where that was asked for; then the place of the page, on its own line."""
    stages = [(stage, summary[stage]) for stage in ("stage1", "stage2") if stage in summary]
    if stages:
        names = ("on both sides", *(visible(summary[side]["only"]) for side in ("before", "after")))
        columns = [TableColumn("admits"), *(TableColumn(name, 8, right=True) for name in names)]
        counts = ("both", "only_before", "only_after")
        show(columns, [(stage, *(found[name] for name in counts)) for stage, found in stages])
        moved = [(stage, *row) for stage, _ in stages for row in _moved_by_reason(summary["changed"], stage)]
        if moved:
            console().print()
            columns = [TableColumn(name, right=True) for name in ("no longer admitted", "newly admitted")]
            show([TableColumn("stage"), TableColumn("reason"), *columns], moved)
    print(summary["page"])


def _moved_by_reason(clips: Iterable[Row], stage: str) -> list[tuple[str, int, int]]:
    """Return the clips that each reason moved out of a stage and into it."""
    counts: dict[str, list[int]] = {}
    for clip in clips:
        for change in clip["reasons"].get(stage, ()):
            counts.setdefault(change["reason"], [0, 0])[not change["refuses_after"]] += 1
    return [(reason, out, into) for reason, (out, into) in sorted(counts.items())]
