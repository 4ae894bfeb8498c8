"""Output of a reproduced table, and verdicts of its claims."""

import csv
import io

import pytest

from heterodub.model.evaluation.clip_scores import SpeakerScores, mean_over_speakers
from heterodub.schemas.errors import WorkspaceError
from heterodub.tasks.reproduction import paper
from heterodub.tasks.reproduction.table import Claim, ScoreColumn, Table, TableRow, as_csv, markdown, write_table

GOOD, BAD = ({name: value + step / 100 for step, name in enumerate("abcd")} for value in (0.10, 0.20))
MIXED = {"a": 0.30, "b": 0.01, "c": 0.35, "d": 0.02}


def table(scores: dict[str, dict[str, float]], better="less") -> Table:
    rows = [
        TableRow(name, {"error": mean_over_speakers(values)} if values else {}, None if values else "its slot is empty")
        for name, values in scores.items()
    ]
    claims = [Claim("ours is better", "ours", name, "error") for name in scores if name != "ours"]
    column = ScoreColumn("error", "error, %", better, "NME", scale=100, digits=1)
    paper = {"LRS2": {"ours": {"NME": 0.0136}, "LipGAN": {"NME": 0.016}}}
    return Table("tableX", "A table", (column,), tuple(rows), paper, tuple(claims), ("How it was measured.",))


def verdicts(made: Table) -> list[str]:
    return [finding.verdict for finding in made.findings()]


def test_claim_verdicts():
    made = table({"ours": GOOD, "worse": BAD, "like it": MIXED, "none": {}})
    assert verdicts(made) == ["holds", "inconclusive", "not measured"]
    assert made.findings()[0].gain.mean == pytest.approx(0.1)
    assert verdicts(table({"ours": BAD, "better": GOOD})) == ["does not hold"]
    assert verdicts(table({"ours": BAD, "less": GOOD}, better="more")) == ["holds"]
    assert verdicts(table({"ours": {"a": 1.0}, "alone": {"a": 2.0}})) == ["inconclusive"]


def test_significant_gain_below_the_limit_is_no_difference():
    column = ScoreColumn("error", "error", "less", least=0.15)
    for values, result in ((BAD, "no difference"), ({name: value + 0.3 for name, value in BAD.items()}, "holds")):
        rows = (
            TableRow("ours", {"error": mean_over_speakers(GOOD)}),
            TableRow("other", {"error": mean_over_speakers(values)}),
        )
        assert verdicts(Table("t", "", (column,), rows, {}, (Claim("", "ours", "other", "error"),), ())) == [result]


def test_table_holds_the_paper_values():
    text = markdown(table({"ours": GOOD, "copy": BAD, "none": {}}))
    lines = text.splitlines()
    assert lines[2] == "| | error, % ↓<br>*paper: NME* |"
    ours = next(line for line in lines if line.startswith("| ours"))
    assert ours.startswith("| ours | 11.5 (") and ours.endswith(")<br>*LRS2: 1.36* |")
    assert "| LipGAN | -<br>*LRS2: 1.6* |" in lines
    assert "none: its slot is empty." in lines
    assert "* How it was measured." in lines
    assert any(line.startswith("| ours is better | error, % | 10.0 (10.0 to 10.0) | holds") for line in lines)


def test_csv_holds_every_figure():
    rows = list(csv.DictReader(io.StringIO(as_csv(table({"ours": GOOD, "none": {}})))))
    assert [row["source"] for row in rows] == ["measured", "paper, LRS2", "paper, LRS2"]
    assert float(rows[0]["mean"]) == pytest.approx(0.115)
    assert rows[0]["speakers"] == "4"
    assert (rows[1]["score"], rows[1]["mean"]) == ("NME", "0.0136")


def test_three_files_are_written_or_an_error_says_why(tmp_path):
    made = table({"ours": GOOD, "copy": BAD})
    paths = write_table(made, tmp_path / "new")
    assert [path.name for path in paths] == ["tableX.md", "tableX.csv", "tableX.png"]
    assert paths[2].read_bytes().startswith(b"\x89PNG")
    with pytest.raises(WorkspaceError, match="cannot be written"):
        write_table(made, paths[0])


def test_unmeasured_rows_are_not_drawn(tmp_path):
    nothing = Table("t", "", (ScoreColumn("a", "a", "more"),), (TableRow("x", {}),), {}, (), ())
    assert write_table(nothing, tmp_path)
    unknown = TableRow("y", {"a": SpeakerScores(mean_over_speakers({}).interval, {})})
    assert "not measured" in markdown(Table("t", "", (ScoreColumn("a", "a", "more"),), (unknown,), {}, (), ()))


def test_papers_own_tables_agree_with_each_other():
    """Table 4's last row is Table 3's, as the paper has it."""
    whole = paper.TABLE_3["I 100 %, II 100 %"]
    assert paper.TABLE_4["all three"] == {name: whole[name] for name in ("FID", "SSIM", "PSNR", "LPIPS")}
