"""croissant.json of an export: its Parquet files, and the fields of each stage, in Croissant 1.1."""

import json
from pathlib import Path
from typing import Any, Final

from heterodub.schemas.contract import FPS
from heterodub.schemas.reasons import Stage

from .metadata import Contents, ExportedFile
from .rows import FACTS, SHAPES, UNITS

_CONTEXT: Final = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""Short names of the vocabulary, as the specification gives them."""

_TYPES: Final = {"string": "sc:Text", "int64": "sc:Integer", "double": "sc:Float", "bool": "sc:Boolean"}


def write_croissant(folder: Path, contents: Contents) -> None:
    """Write croissant.json: a record set per stage. Raises: OSError - it cannot be written."""
    release = contents.release
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": f"heterodub-{release.release_id}",
        "description": f"Clips of faces for visual dubbing, {FPS} frames a second: release {release.release_id}.",
        "version": f"{release.sequence}.0.0",
        "datePublished": release.created_utc,
        "license": list(contents.licences),
        "distribution": [*map(_file, contents.files), *map(_file_set, contents.stages)],
        "recordSet": [_splits(contents), *(_records(stage, contents.with_audio) for stage in contents.stages)],
    }
    (folder / "croissant.json").write_text(json.dumps(document, indent=2) + "\n")


_PARQUET: Final = "application/x-parquet"


def _file(file: ExportedFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.size_bytes} B",
        "encodingFormat": _PARQUET,
        "sha256": file.sha256,
    }


def _file_set(stage: Stage) -> dict[str, Any]:
    name = f"{stage}-files"
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "encodingFormat": _PARQUET,
        "includes": f"{stage}/*.parquet",
    }


def _splits(contents: Contents) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [{"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"}],
        "data": [{"splits/name": name} for name in sorted({file.split for file in contents.files})],
    }


def _records(stage: Stage, with_audio: bool) -> dict[str, Any]:
    fields = [_field(stage, fact, _TYPES[str(kind)]) for fact, kind in FACTS.items() if fact != "split"]
    fields.append(_field(stage, "split", "sc:Text") | {"references": {"field": {"@id": "splits/name"}}})
    for array, shape in SHAPES[stage].items():
        kind = "sc:Boolean" if array == "tracked" else "cr:Float32"
        sides = ",".join(map(str, (-1, *shape)))
        fields.append(_field(stage, array, kind) | {"isArray": True, "arrayShape": sides})
    if stage is Stage.STAGE2:
        crops = _field(stage, "crops", "sc:ImageObject") | {"repeated": True}
        crops["source"] |= {"transform": {"jsonPath": "bytes"}}
        fields.append(crops)
    elif with_audio:
        fields.append(_field(stage, "audio", "sc:AudioObject"))
    return {"@type": "cr:RecordSet", "@id": str(stage), "name": str(stage), "field": fields} | {
        "key": {"@id": f"{stage}/clip_id"}
    }


def _field(stage: Stage, column: str, kind: str) -> dict[str, Any]:
    described = {"description": UNITS[column]} if column in UNITS else {}
    return {
        "@type": "cr:Field",
        "@id": f"{stage}/{column}",
        "name": column,
        **described,
        "dataType": kind,
        "source": {"fileSet": {"@id": f"{stage}-files"}, "extract": {"column": column}},
    }
