import html
import json
import re
from collections import Counter
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest

from heterodub.schemas.config.settings import Settings
from heterodub.schemas.errors import NotFoundError
from heterodub.schemas.policy import load_policy
from heterodub.schemas.reasons import Stage
from heterodub.schemas.signals import SIGNAL_NAMES
from heterodub.schemas.strata import FACTORS
from heterodub.schemas.tables import CATALOG, CLIPS
from heterodub.tasks.inspect.report.choice import choose
from heterodub.tasks.inspect.report.details import paths
from heterodub.tasks.inspect.report.gather import gather
from heterodub.tasks.inspect.report.histograms import histograms
from heterodub.tasks.inspect.report.numbers import numbers
from heterodub.tasks.inspect.report.snippets import SnippetRequest, cut, snippets
from heterodub.tasks.inspect.report.stills import FrameRequest, grab, raw_stills, spread
from heterodub.tasks.inspect.report.strata import StratumGroup, stratum_table
from heterodub.tasks.inspect.report.write import environment, write_report
from heterodub.tasks.sources.corpus import Corpus
from heterodub.tasks.sources.folder import local_file
from heterodub.tasks.stores import tables
from heterodub.tasks.stores.labels import NewLabel, store_labels
from heterodub.tasks.stores.workspace import Workspace
from tests.tasks.inspect import footage
from tests.tasks.media.media_files import regular, tone, write_media


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("report") / "ws"
    footage.make(root)
    return Path(write_report(footage.settings(root))).read_text("utf-8")


class _Tags(HTMLParser):
    """Collects elements and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> _Tags:
    reader = _Tags()
    reader.feed(page)
    return reader


def test_name_cannot_become_an_element(page: str):
    assert "<script>alert" not in page
    assert html.escape('we "said" <script>alert(1)</script>, & so.mp4', quote=False).replace('"', "&#34;") in page
    scripts = [attributes for tag, attributes in parsed(page).tags if tag == "script"]
    assert len(scripts) == 3 + len(re.findall('<details class="clip"', page))  # numbers, films, the code
    assert any(name in text for text in parsed(page).text for name in ['we "said" <script>alert(1)</script>, & so.mp4'])


def test_names_show_no_control_characters(page: str):
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert r"line\nbreak" in page


def test_report_loads_no_remote_resources(page: str):
    assert "http://" not in page
    assert "https://" not in page
    for tag, attributes in parsed(page).tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "action", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/jpeg;base64,"))
    assert all(place.startswith("data:") for place in re.findall(r"url\(([^)]*)\)", page))


def test_report_leaves_embeddings_out(page: str):
    assert str(footage.MARK)[:7] not in page and "dlib" not in page


def test_report_holds_every_signal_reason_and_clip(page: str):
    for name in SIGNAL_NAMES:
        assert f"<b>{name}</b>" in page
    for clip in footage.CLIPS_MADE:
        row = footage.clip_row(clip)
        assert f'id="clip-{footage.clip_id(clip)}"' in page
        for reason in (*row["stage1_reasons"], *row["stage2_reasons"]):
            assert f"<code>{reason}</code>" in page
    for reason in ("no_face", "same_bytes", "decoder_crashed"):
        assert f"<code>{reason}</code>" in page


def test_report_counts_all_clips_by_stratum(tmp_path: Path):
    root = tmp_path / "ws"
    footage.make(root)
    ws = Workspace.open(str(root))
    files = tables.read(ws, "catalog")
    spoken = pa.array(["cy" if uri == footage.PLAIN else None for uri in files["uri"].to_pylist()], pa.string())
    spoken_files = files.set_column(files.schema.get_field_index("language"), "language", spoken)
    tables.replace_rows(ws, "catalog", spoken_files, "uri")
    clips = tables.read(ws, "clips")
    page = gather(footage.settings(root), ())
    assert [table.factor for table in page.strata] == list(FACTORS)
    for table in page.strata:
        assert sum(group.clips for group in table.groups) == clips.num_rows and not table.left_out
    rows = clips.to_pylist()
    by_name = {table.factor.name: {group.stratum: group for group in table.groups} for table in page.strata}
    welsh = [row for row in rows if row["uri"] == footage.PLAIN]
    assert by_name["language"]["cy"].clips == len(welsh) and by_name["language"]["unstated"].clips > 0
    assert by_name["language"]["cy"].speakers == len({row["speaker"] for row in welsh})
    for factor in FACTORS[1:]:
        listed = Counter(factor.stratum(row[factor.column]) for row in rows)
        assert {name: group.clips for name, group in by_name[factor.name].items()} == listed
    small = [row for row in rows if FACTORS[1].stratum(row["face_height_px"]) == next(iter(by_name["face_size"]))]
    group = next(iter(by_name["face_size"].values()))
    assert group.stage1 == pytest.approx(np.mean([row["stage1"] for row in small]))


def test_strata_beyond_the_most_frequent_are_counted():
    corpora = [f"corpus {min(number, 14):02d}" for number in range(20)]
    stages = {"stage1": [True] * 20, "stage2": [False] * 20}
    table = pa.table({"corpus": corpora, "counted_as": corpora, "frames": [25] * 20} | stages)
    made = stratum_table(next(factor for factor in FACTORS if factor.name == "corpus"), table)
    assert made.groups[0] == StratumGroup("corpus 14", 6, 6.0, 1, 1.0, 0.0)
    assert (len(made.groups), made.left_out) == (12, 3)


def test_details_hold_frames_with_landmarks(page: str):
    data = [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', page, re.S)]
    assert len(data) == len(footage.CLIPS_MADE)
    for one in data:
        assert len(one["frames"]) == len(one["shapes"]) == len(one["at"])
    stored = [one for one in data if one["frames"]]
    assert len(stored) == 2  # the clips with stage-2 payload; the files of the others are not there
    assert set(stored[0]["shapes"][0]) == {"pose", "face", "lips"}
    assert page.count("mel spectrogram") == 2


def test_named_clip_is_shown_and_an_unknown_one_refused(tmp_path: Path):
    footage.make(tmp_path / "ws")
    settings = footage.settings(tmp_path / "ws")
    out = tmp_path / "deep" / "page.html"
    wanted = footage.clip_id(footage.CLIPS_MADE[4])
    assert write_report(settings, (wanted[:9],), out) == str(out)
    first = re.search(r'<details class="clip" id="clip-(\w+)"', out.read_text("utf-8"))
    assert first is not None
    assert first[1] == wanted
    with pytest.raises(NotFoundError):
        write_report(settings, ("ffffffffffff",), out)
    with pytest.raises(NotFoundError, match="is a file"):
        write_report(settings, (footage.BROKEN,), out)


def test_empty_workspace_has_a_page(tmp_path: Path):
    Workspace.open(str(tmp_path), create=True)
    assert "No clip was measured yet" in Path(write_report(footage.settings(tmp_path))).read_text("utf-8")


def test_clips_without_payload_are_pictured_from_their_file(tmp_path: Path):
    path = footage.film(tmp_path / "film.mp4")
    ws = Workspace.open(str(tmp_path / "ws"), create=True)
    clip = footage.Clip(str(path), {"face_height_px": 10.0})
    stamp = local_file(Corpus(root=str(tmp_path)), path).stamp
    tables.append_rows(ws, "clips", pa.Table.from_pylist([footage.clip_row(clip)], schema=CLIPS))
    rows = [footage.catalog_row(str(path), clips=1, stamp=stamp)]
    tables.append_rows(ws, "catalog", pa.Table.from_pylist(rows, schema=CATALOG))
    page = Path(write_report(Settings(workspace=ws.root))).read_text("utf-8")
    assert f".t-{footage.clip_id(clip)}{{background-image:url(data:image/jpeg" in page


def test_clips_are_cut_as_films_with_their_sound(tmp_path: Path):
    path = tmp_path / "talk.mp4"
    write_media(path, regular(50), tone(2.0))
    asked = [SnippetRequest("early", 0, 20), SnippetRequest("late", 15, 30), SnippetRequest("after", 90, 10)]
    films, silent = cut(str(path), asked, Settings().limits)
    assert silent == ""
    assert set(films) == {"early", "late"}
    for clip, frames in (("early", 20), ("late", 30)):
        with av.open(BytesIO(films[clip])) as file:
            assert file.streams.video[0].frames == frames
            sound = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
        level = np.sqrt(np.mean(sound[2000 : frames * 640 - 2000] ** 2))
        assert level > 0.05


def test_films_stay_within_their_bytes_the_most_wanted_first(tmp_path: Path):
    path = footage.film(tmp_path / "film.mp4")
    rows = [{"uri": str(path), "clip_id": name, "start_frame": 0, "frames": 20} for name in ("first", "second")]
    catalog = {str(path): {"stamp": local_file(Corpus(root=str(tmp_path)), path).stamp}}
    both = snippets(rows, catalog, Settings(), 1_000_000)
    assert set(both) == {"first", "second"}
    assert set(snippets(rows, catalog, Settings(), len(both["first"]))) == {"first"}
    assert snippets(rows, catalog, Settings(), 0) == {}
    assert snippets(rows, {str(path): {"stamp": "another"}}, Settings(), 1_000_000) == {}


def test_report_leads_to_the_audit_that_lies_beside_it(tmp_path: Path):
    settings = footage.playable(tmp_path)
    link = 'href="../audit/audit.html"'
    assert link not in Path(write_report(settings, media="none")).read_text()
    (tmp_path / "ws" / "audit").mkdir()
    (tmp_path / "ws" / "audit" / "audit.html").write_text("")
    assert link in Path(write_report(settings, media="none")).read_text()
    assert link not in Path(write_report(settings, output=tmp_path / "page.html", media="none")).read_text()


def test_clips_refused_for_their_sound_come_first(tmp_path: Path):
    settings = footage.playable(tmp_path)
    page = gather(settings, ())
    place = [signal["name"] for signal in page.numbers.signals].index("snr_db")
    heard = [page.numbers.values[clip][place] for clip in page.films]
    assert set(heard[:2]) == {"no sound stream", 1.0} and heard[2] == 30.0


def test_numbers_hold_values_causes_and_the_nearest_limit():
    rows = pa.Table.from_pylist([footage.clip_row(clip) for clip in footage.CLIPS_MADE], schema=CLIPS)
    result = numbers(rows, rows, footage.POLICY)
    names = [signal["name"] for signal in result.signals]
    silent = result.values[footage.clip_id(footage.CLIPS_MADE[3])]
    assert silent[names.index("snr_db")] == "no sound stream"
    assert silent[names.index("face_height_px")] == 200.0
    limits = result.signals[names.index("face_height_px")]["limits"]
    assert [(limit["stage"], limit["text"]) for limit in limits] == [("stage1", "\u2265 40"), ("stage2", "\u2265 100")]
    small = result.margins[footage.clip_id(footage.CLIPS_MADE[1])]
    assert small.share == pytest.approx(1 / 5, abs=0.06)  # alone on its side of a limit


def test_frames_are_taken_at_the_requested_times(tmp_path: Path):
    path = footage.film(tmp_path / "film.mp4")
    wanted = (
        FrameRequest("one", (0, 20, 39)),
        FrameRequest("other", (20,), (10.0, 10.0, 32.0)),
        FrameRequest("late", (500,)),
    )
    result = grab(str(path), wanted, Settings().limits)
    assert {clip: sorted(frames) for clip, frames in result.items()} == {"one": [0, 20, 39], "other": [20]}


def test_changed_missing_and_broken_files_give_no_picture(tmp_path: Path):
    path, broken = footage.film(tmp_path / "film.mp4"), tmp_path / "broken.mp4"
    broken.write_bytes(b"\0\0\0\x20ftypisom" + bytes(500))
    catalog = {
        str(path): {"stamp": "another"},
        str(broken): {"stamp": local_file(Corpus(root=str(tmp_path)), broken).stamp},
        "/nowhere.mp4": {"stamp": "1"},
    }
    wanted = {uri: [FrameRequest("clip", (0,))] for uri in [*catalog, "s3://bucket/remote.mp4"]}
    assert raw_stills(wanted, catalog, Settings()) == {}


def test_frames_are_spread_over_a_clip():
    assert spread(100, 50, 3) == (100, 124, 149)
    assert spread(7, 1, 8) == (7,)
    assert spread(0, 4, 24) == (0, 1, 2, 3)


def test_two_clips_of_each_route_and_reason_are_picked():
    clips = [
        footage.clip_row(
            footage.Clip(f"/f/{number}.mp4", {"snr_db": 3.0 if number % 2 else 30.0, "av_sync_score": 4.0})
        )
        for number in range(20)
    ]
    chosen = choose(pa.Table.from_pylist(clips, schema=CLIPS), ("asked",))
    assert chosen.details[0] == "asked"
    picked = [row for row in clips if row["clip_id"] in chosen.details]
    assert [sum(row["stage1"] for row in picked), sum(not row["stage1"] for row in picked)] == [2, 2]
    assert choose(pa.Table.from_pylist(clips[::-1], schema=CLIPS), ("asked",)) == chosen


def test_examples_are_of_different_people_whatever_they_are_called():
    rows = [footage.clip_row(footage.Clip(f"/f/{number}.mp4", {"av_sync_score": 4.0})) for number in range(40)]
    order = sorted(range(40), key=lambda number: rows[number]["clip_id"])
    for place, number in enumerate(order):  # nine people come last
        rows[number] |= {"speaker": f"name {number}", "person": "p" if place <= 30 else f"p{place}"}
    chosen = choose(pa.Table.from_pylist(rows, schema=CLIPS), ())
    people = {row["clip_id"]: row["person"] for row in rows}
    assert len({people[clip] for clip in chosen.by_route["both"]}) == 10


def test_landmarks_are_placed_in_thousandths_of_the_window():
    points = np.full((216, 2), 150, np.float32)
    shapes = paths(points, np.array([100, 100, 100], np.float32))
    assert set(re.findall(r"[\d.]+ [\d.]+", shapes["lips"])) == {"500 500"}
    assert shapes["lips"].count("M") == 4


def test_histograms_count_causes_and_refusals():
    rows = pa.Table.from_pylist([footage.clip_row(clip) for clip in footage.CLIPS_MADE], schema=CLIPS)
    result = {one.signal.name: one for one in histograms(rows, footage.POLICY)}
    assert result["snr_db"].measured == 4
    assert result["snr_db"].missing == (("no_sound_stream", 1),)
    assert [(line.stage, line.refuses) for line in result["snr_db"].lines] == [("stage1", 1)]
    assert [line.refuses for line in result["face_height_px"].lines] == [1, 3]
    assert result["yaw_deg"].lines == ()


@pytest.mark.parametrize("rows", [[], [footage.clip_row(footage.CLIPS_MADE[3])]])
def test_histograms_of_few_values(rows: list):
    for one in histograms(pa.Table.from_pylist(rows, schema=CLIPS), load_policy()):
        drawing = environment().get_template("charts.html").module.histogram(one)
        assert "nan" not in drawing and "inf" not in drawing


def test_report_says_what_people_said(tmp_path):
    ws = footage.make(tmp_path / "ws")
    row = footage.clip_row(footage.CLIPS_MADE[1])
    store_labels(ws, [NewLabel(row["clip_id"], row["media_id"], Stage.STAGE1, True, "<b>fit</b>", "Ann")])
    page = Path(write_report(footage.settings(Path(ws.root)), media="none")).read_text("utf-8")
    text = "kept by Ann: &lt;b&gt;fit&lt;/b&gt;"
    assert f"stage 1: {text} <small>not applied yet</small>" in page
    assert f'<span class="why stage1 label">{text}</span>' in page
