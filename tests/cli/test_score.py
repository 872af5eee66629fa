"""``metanas score``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from metanas.cli import main
from metanas.tables import Table, open_table
from metanas.tables.sample import pooled_classes


def test_scores_of_named_architectures(capsys: pytest.CaptureFixture[str]) -> None:
    cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|"
    arguments = [
        "score",
        "--task",
        "optdigits",
        "--score",
        "params",
        "--score",
        "naswot",
        "--examples",
        "8",
        cell,
        "1462",
    ]
    assert main([*arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["answers"][0]["arch"] == cell
    assert answer["answers"][1]["index"] == 1462
    shown = open_table("nb201/fashion_mnist-v1")
    assert set(answer["answers"][0]["scores"]) == set(answer["seconds_per_architecture"]) == {"params", "naswot"}
    fashion = ["score", "--task", "fashion_mnist", "--score", "params", "1462", "--json"]
    assert main(fashion) == 0
    (only,) = json.loads(capsys.readouterr().out)["answers"]
    assert only["scores"]["params"] == shown.query(1462, "cost/parameters")
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "naswot" in text
    assert cell in text


def test_scores_of_a_table_go_to_a_file(
    tmp_path: Path, search_table_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.h5"
    base = ["score", "--task", "optdigits", "--table", str(search_table_path), "--score", "flops", "--out", str(out)]
    assert main(base) == 0
    assert "1,011 architectures" in capsys.readouterr().out
    table = Table(out)
    assert (table.archs == Table(search_table_path).archs).all()
    assert main(["query", str(out), "1462"]) == 0
    assert "proxy/flops" in capsys.readouterr().out


def test_what_cannot_be_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "--task", "optdigits"]) == 2
    assert "--out FILE.h5" in capsys.readouterr().err
    assert main(["score", "--task", "optdigits", "1462", "--out", str(tmp_path / "a.h5")]) == 2
    assert main(["score", "--task", "optdigits", "1462", "--score", "synflo"]) == 2
    assert "Did you mean 'synflow'?" in capsys.readouterr().err
    assert main(["score", "--task", "optdigits", "1462", "--examples", "1"]) == 2
    pooled = ["score", "--task", "optdigits", "--out", str(tmp_path / "a.h5"), "--pooled"]
    assert main([*pooled, "4034"]) == 2
    assert "1 to 4,033 classes with pooling" in capsys.readouterr().err
    assert main([*pooled, "5", "--table", "nb201/fashion_mnist-v1"]) == 2
    assert "give one of the two" in capsys.readouterr().err


def test_drawn_classes_with_pooling_are_those_of_sampled_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.h5"
    assert main(["score", "--task", "optdigits", "--pooled", "7", "--score", "params", "--out", str(out)]) == 0
    assert "1,018 architectures" in capsys.readouterr().out
    table = Table(out)
    assert table.space_name == "nb201"
    assert set(pooled_classes()[:7]) < set(table.archs.tolist())
