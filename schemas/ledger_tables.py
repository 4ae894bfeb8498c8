"""Arrow schemas of what happened in a workspace: releases, benchmarks, promotions, takedowns and runs."""

from typing import Final

import pyarrow as pa

from .table_fields import INT, REAL, TEXT, field

RELEASES: Final = pa.schema(
    [
        field("release_id", TEXT, "hash of the published content, policy and settings"),
        field("sequence", INT, "number of the release in this workspace, from 1"),
        field("created_utc", TEXT, "when it was published, ISO 8601"),
        field("catalog_version", INT, "Delta version of the catalog"),
        field("clips_version", INT, "Delta version of clips"),
        field("stage1_version", INT, "Delta version of stage1"),
        field("stage2_version", INT, "Delta version of stage2"),
        field("labels_version", INT, "Delta version of labels"),
        field("person_corrections_version", INT, "Delta version of person_corrections", null=True),
        field("backend", TEXT, "the one landmark backend of the release"),
        field("extractor", TEXT, "the one extractor of the release"),
        field("policy", TEXT, "hash of the routing policy"),
        field("settings", TEXT, "hash of the ingest settings"),
        field("code", TEXT, "version of heterodub, with the git commit where known"),
        field("counts", TEXT, "JSON: clips and speakers per stage and split"),
        field("audit", TEXT, "JSON: expectations checked, all met"),
        field(
            "licences", pa.list_(TEXT), "licences of its admitted clips, as stated; unstated: of some none", null=True
        ),
        field("notes", pa.list_(TEXT), "what a reader should know, such as a small split"),
        field("file_lists", pa.list_(TEXT), "lists of release_files that together are all of its files"),
        field("takedowns", pa.list_(TEXT), "takedowns that took clips out of it since"),
        field(
            "same_at",
            TEXT,
            "JSON: newest versions of the tables that were audited and would be this release",
            null=True,
        ),
    ]
)

RELEASE_FILES: Final = pa.schema(
    [
        field("file_list", TEXT, "the list; releases name lists, and share those of which nothing changed"),
        field("created_utc", TEXT, "when the list was written, ISO 8601"),
        field("table", TEXT, "the table that the file belongs to"),
        field("name", TEXT, "name of the file in the table's folder; a row is one file of one list"),
        field("size_bytes", INT, "size of the file", unit="B"),
        field("rows", INT, "rows in it"),
        field("first_media", TEXT, "smallest media_id in it", null=True),
        field("last_media", TEXT, "largest media_id in it", null=True),
        field("first_clip", TEXT, "smallest clip_id in it", null=True),
        field("last_clip", TEXT, "largest clip_id in it", null=True),
        field("clips", pa.list_(TEXT), "payload of several media: clip_id of each row group, in order", null=True),
    ]
)

AUDITED_FILES: Final = pa.schema(
    [
        field(
            "file_key", TEXT, "hash of a file's table, name, size, time of change or ETag, and of the audit's checks"
        ),
        field("rows_hash", TEXT, "payload: sum of its rows' hashes, by which they are compared with clips", null=True),
        field("created_utc", TEXT, "when the file met the checks, ISO 8601"),
    ]
)

BENCHMARKS: Final = pa.schema(
    [
        field("benchmark", TEXT, "hash of all its clips and their content; a row is one of the clips"),
        field("sequence", INT, "number of the benchmark in its stage and line, from 1; the highest one stands"),
        field("stage", TEXT, "stage1 or stage2"),
        field("line", TEXT, "extractor of the releases whose models it evaluates"),
        field("created_utc", TEXT, "when it was frozen, ISO 8601"),
        field("release", TEXT, "release whose test split it was"),
        field("reason", TEXT, "why it was frozen, as a person put it"),
        field("clip_id", TEXT, "the clip"),
        field("media_id", TEXT, "its file"),
        field("speaker", TEXT, "its speaker when it was frozen"),
        field("split_group", TEXT, "speakers joined by near-copies, when it was frozen"),
        field("content", TEXT, "sha256 over the clip's stored row"),
    ]
)

PROMOTIONS: Final = pa.schema(
    [
        field("move_id", TEXT, "one row a move of the champion"),
        field("sequence", INT, "number of the move among those of its model, from 1"),
        field("model", TEXT, "name of the registered model"),
        field(
            "kind",
            TEXT,
            "promote (by policy), override (by a person), rollback, or adopt: of a registry another ledger led",
        ),
        field("state", TEXT, "intended until the aliases are moved, then done"),
        field("from_version", INT, "champion before; null for the first one", null=True),
        field("to_version", INT, "champion after"),
        field("created_utc", TEXT, "when it was decided, ISO 8601"),
        field("finished_utc", TEXT, "when the aliases were moved, ISO 8601", null=True),
        field("who", TEXT, "user and machine"),
        field("reason", TEXT, "the decision in words"),
        field("run", TEXT, "MLflow run that holds the evidence", null=True),
        field("benchmark", TEXT, "hash of the benchmark behind the decision", null=True),
        field("policy", TEXT, "hash of the promotion policy", null=True),
    ]
)

TOMBSTONES: Final = pa.schema(
    [
        field("takedown", TEXT, "the takedown it belongs to"),
        field("kind", TEXT, "media, or what was requested: speaker, corpus, licence or file"),
        field("mark", TEXT, "media: its sha256; else sha256 of the value, which is not kept itself"),
        field("created_utc", TEXT, "when, ISO 8601"),
        field("reason", TEXT, "why, as a person put it"),
    ]
)

METRICS: Final = pa.schema(
    [
        field("run", TEXT, "the run of a flow that the row belongs to"),
        field("parent", TEXT, "run that started this one; null for what a person or a schedule started", null=True),
        field("flow", TEXT, "ingest, route, train, ..."),
        field("step", TEXT, "step of the flow; null for the run as a whole", null=True),
        field("corpus", TEXT, "corpus that the row is about; null for all that the run worked on", null=True),
        field(
            "state",
            TEXT,
            "started (runs alone), done, partial, dry_run, stopped or failed; a run with no more than started was"
            " stopped at once, or killed",
        ),
        field("at_utc", TEXT, "when, ISO 8601"),
        field("who", TEXT, "user and machine"),
        field("code", TEXT, "version of heterodub"),
        field("seconds", REAL, "how long it took", null=True, unit="s"),
        field("files", INT, "files worked on", null=True),
        field("clips", INT, "clips worked on", null=True),
        field("bytes", INT, "bytes of the files worked on", null=True, unit="B"),
        field("media_s", REAL, "seconds of picture worked on", null=True, unit="s"),
        field("errors", INT, "files or jobs that could not be worked on", null=True),
        field("facts", TEXT, "JSON: what else a trend needs, such as refusals by reason"),
        field("error", TEXT, "kind of what ended it; its text may name footage, and is only in the log", null=True),
    ]
)
