"""Findings of `heterodub verify`, for a terminal."""

from typing import Any, Final

from heterodub.flows.cli.render.tables import cell, console, pairs

_STATES: Final = {
    "intact": "intact: the file is as it was signed",
    "untrusted": "intact, but none of the trust anchors vouches for the signer",
    "expired": "the certificate expired, so that nobody vouches for the signature",
    "altered": "altered: the file is not as it was signed",
    "unsigned": "none",
}
_SOURCES: Final = {
    "none": "had no manifest of its own",
    "intact": "had a manifest of its own, which fitted",
    "altered": "had a manifest of its own, which did not fit",
}
_WATERMARKS: Final = {
    True: "found",
    False: "not found where it was looked for",
    None: "not searched: no picture can be decoded",
}


def show_verification(summary: dict[str, Any]) -> None:
    """Print the findings on a file."""
    console().print(cell(summary["file"], "bold"), soft_wrap=True)
    marks = [("mark", summary["mark"] or "none"), ("watermark", _WATERMARKS[summary["watermark"]])]
    pairs([("signature", _STATES[summary["state"]]), *_signed(summary), *marks])


def _signed(summary: dict[str, Any]) -> list[tuple[str, Any]]:
    if summary["state"] == "unsigned":
        return [("finding", finding) for finding in summary["failures"]]
    signer = summary["signer"] or "a certificate without a name"
    lines: list[tuple[str, Any]] = [
        ("signed by", f"{signer}, {summary['issuer'] or 'no organisation'}"),
        ("trusted", "yes, by a trust anchor" if summary["trusted"] else "no: anybody can make such a certificate"),
        *(("finding", finding) for finding in summary["failures"]),
        ("made by", summary["generator"]),
        *(("source type", kind) for kind in summary["source_types"]),
    ]
    if record := summary["record"]:
        lines += [
            *(
                (part, _model(record[name]))
                for part, name in (("landmarks by", "generator"), ("pictures by", "translator"))
            ),
            ("video", f"sha256 {record['video']}"),
            *(("speech", f"sha256 {speech}") for speech in record["speeches"]),
            *([("appearance", f"sha256 {record['appearance']}")] if record["appearance"] else []),
            (
                "the video",
                " ".join((_SOURCES[summary["source"]], f"(signed by {summary['source_signer']})"))
                if summary["source_signer"]
                else _SOURCES[summary["source"]],
            ),
        ]
    return lines


def _model(mark: dict[str, Any]) -> str:
    return f"{mark['name']}, weights sha256 {mark['sha256']}" if mark["sha256"] else str(mark["name"])
