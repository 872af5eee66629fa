from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metanas import charts, extras
from metanas.errors import MetanasError


@pytest.mark.parametrize(("low", "high"), [(0.8, 9.0), (0.01, 20.0), (1e-4, 1.0), (1.0, 300.0), (1500.0, 140_000.0)])
def test_ticks_are_few_and_within(low: float, high: float) -> None:
    ticks = charts.log_ticks(low, high)
    assert 2 <= len(ticks) <= 9
    assert all(low <= tick <= high for tick in ticks)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=8))
def test_labels_keep_their_distance_and_their_order(wanted: list[float]) -> None:
    places = charts.labels_apart(wanted, 10.0, 0.0, 100.0)
    assert (np.diff(sorted(places)) >= 10 - 1e-9).all()
    assert all(-1e-9 <= place <= 100 for place in places)
    assert (np.argsort(wanted, kind="stable") == np.argsort(places, kind="stable")).all()
    if len(wanted) == 1:
        assert places == wanted


def test_a_chart_is_written_as_png_and_svg(tmp_path: Path) -> None:
    alt = pytest.importorskip("altair", reason="the extra [plots] is not installed")
    pytest.importorskip("vl_convert", reason="the extra [plots] is not installed")
    chart = alt.Chart(alt.InlineData(values=[{"x": 1}])).mark_point().encode(x="x:Q")
    png, svg = charts.save(charts.page(chart, "One point", ["at 1"]), tmp_path / "deeper" / "point")
    assert png.read_bytes().startswith(b"\x89PNG\r\n")
    assert all(shown in svg.read_text() for shown in ("One point", "at 1"))
    assert sorted(path.name for path in (tmp_path / "deeper").iterdir()) == ["point.png", "point.svg"]


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(extras.importlib, "import_module", absent)
    with pytest.raises(MetanasError, match=r"The plot needs.*pip install 'metanas\[plots\]'"):
        charts.require_plots("The plot")
