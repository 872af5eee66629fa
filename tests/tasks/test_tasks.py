"""Tasks: cards, hashes, splits, resolutions; and what must hold for every published task."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from metanas.errors import InvalidFileError, InvalidValueError, UnknownNameError
from metanas.published import folder
from metanas.tasks import SPLITS, Card, Split, Task, area_matrix, assign, load_task, read_card, task_names

LICENCES = {"MIT", "OFL-1.1", "CC-BY-4.0", "CC-BY-3.0", "Apache-2.0", "CC0-1.0", "PDDL-1.0", "BSD-3-Clause"}
IN_EVERY_COPY = {"BSD-2-Clause", "LicenseRef-WordNet-3.1"}  # their text stands in tasks/LICENCES.md


@pytest.fixture(scope="module", params=task_names())
def task(request: pytest.FixtureRequest) -> Task:
    return load_task(request.param)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The card of a task, in a folder of its own with its arrays."""
    (tmp_path / "data").mkdir()
    for name in ("udhr_langid-v1.toml", "data/udhr_langid-v1.npz"):
        shutil.copy(folder("tasks") / name, tmp_path / name)
    return tmp_path / "udhr_langid-v1.toml"


def stored_groups(task: Task) -> np.ndarray | None:
    with np.load(folder("tasks") / task.card.arrays.file, allow_pickle=False) as file:
        return file["groups"] if "groups" in file.files else None


class TestEveryTask:
    def test_types_and_shapes(self, task: Task) -> None:
        assert task.x.dtype == np.float32
        assert task.y.dtype == np.int64
        assert task.x.shape == (task.card.arrays.rows, *task.card.input.shape)
        assert task.shape == task.card.input.shape
        assert len(task.shape) == {"image": 3, "sequence": 2}[task.card.input.kind]
        assert np.isfinite(task.x).all()
        assert len(set(task.classes)) == task.n_classes

    def test_parts_cover_every_row_once_and_every_class(self, task: Task) -> None:
        assert tuple(task.split) == SPLITS
        np.testing.assert_array_equal(np.sort(np.concatenate([*task.split.values()])), np.arange(len(task.y)))
        for rows in task.split.values():
            assert (np.diff(rows) > 0).all()
            assert len(np.unique(task.y[rows])) == task.n_classes

    def test_parts_have_their_shares_in_every_class(self, task: Task) -> None:
        shares = np.array([getattr(task.card.split, part) for part in SPLITS])
        whole = np.bincount(task.y)
        for part, share in zip(SPLITS, shares / shares.sum(), strict=True):
            rows = task.split[part]
            assert len(rows) == pytest.approx(share * len(task.y), rel=0.03)
            # a group is not divided, and where it spans all classes their shares cannot all be met
            slack = 1 if task.card.split.unit == "row" else 8 + 0.25 * share * whole
            assert (np.abs(np.bincount(task.y[rows]) - share * whole) <= slack).all()

    def test_no_group_is_divided(self, task: Task) -> None:
        groups = stored_groups(task)
        assert (groups is None) == (task.card.split.unit == "row")
        if groups is None:
            return
        for first, second in [("training", "validation"), ("training", "test"), ("validation", "test")]:
            assert not np.intersect1d(groups[task.split[first]], groups[task.split[second]]).size

    def test_no_example_occurs_twice(self, task: Task) -> None:
        flat = task.x.reshape(len(task.x), -1)
        assert len(np.unique(flat, axis=0)) == len(flat)

    def test_training_rows_are_normalised_by_themselves(self, task: Task) -> None:
        for example in [task] if task.card.input.kind == "sequence" else [task, task.resized(8)]:
            rows = example.x[example.split["training"]]
            axes = (0, *range(2, rows.ndim))
            if task.card.input.normalise == "none":
                assert set(np.unique(rows)) == {0.0, 1.0}
            else:
                np.testing.assert_allclose(rows.mean(axis=axes, dtype=np.float64), 0, atol=1e-4)
                np.testing.assert_allclose(rows.std(axis=axes, dtype=np.float64), 1, atol=1e-4)

    def test_card_names_source_and_a_licence_that_allows_shipping(self, task: Task) -> None:
        source = task.card.source
        licences = {part.split(" (")[0] for part in source.licence.split(", ")}
        assert licences <= LICENCES | IN_EVERY_COPY
        texts = (folder("tasks") / "LICENCES.md").read_text(encoding="utf-8")
        assert bool(licences & IN_EVERY_COPY) == (f"## `{task.name}`" in texts)
        assert source.registry in {"Debian", "PyPI", "npm"}
        assert all(source.model_dump().values())

    def test_file_is_as_large_as_the_card_says(self, task: Task) -> None:
        assert (folder("tasks") / task.card.arrays.file).stat().st_size == task.card.arrays.bytes

    def test_baselines_beat_the_majority(self, task: Task) -> None:
        baselines = task.card.baselines
        counts = np.bincount(task.y[task.split["training"]])
        majority = 100 * (task.y[task.split["test"]] == counts.argmax()).mean()
        assert baselines["majority"] == pytest.approx(majority, abs=0.005)
        assert baselines["logistic_regression"] > min(1.4 * majority, majority + 0.4 * (100 - majority))


def test_identities_are_pinned() -> None:
    """A published task never changes: neither arrays, nor classes, nor split."""
    assert {name: load_task(name).sha256[:16] for name in task_names()} == {
        "amp_peptides-v1": "1c80f6e0306aa79c",
        "city_country-v1": "b4e599ce2e93aad0",
        "emoji_group-v1": "e54c5d675b000b69",
        "fashion_mnist-v1": "5a921ffa5a400812",
        "indian_pines-v1": "14cb19db98d0899f",
        "name_gender-v1": "89c0af72f53bb92e",
        "noto_scripts-v1": "b0c63a5c12e46774",
        "noun_kind-v1": "2ea3aec4bafb8bec",
        "optdigits-v1": "68d468f7343bd1b2",
        "pendigits-v1": "701711400b6ddff8",
        "quickdraw40-v1": "00b11cb4b7e93873",
        "quickdraw60-v1": "e32f639643e6f524",
        "quickdraw_kinds-v1": "29f62357918dc7e0",
        "splice_dna-v1": "9ae58b7ef45bd748",
        "udhr_langid-v1": "c4ab8feb6d826f33",
        "watch_har-v1": "87d214451f5d759f",
        "word_stress-v1": "30ca03c1ff25f99d",
    }


def test_small_windows_are_stored_larger_by_areas() -> None:
    """Windows below 8x8 are written at 8x8: a new pixel is the mean of the area it covers, and none is lost."""
    size = 4
    with np.load(folder("tasks") / load_task("indian_pines-v1").card.arrays.file) as file:
        x = file["x"].astype(np.float64)
    places = np.ceil(np.arange(size) * 8 / size).astype(int)  # new pixels that lie within one of the source
    spread = area_matrix(size, 8).astype(np.float64)
    np.testing.assert_array_equal(x, np.rint(spread @ x[:, :, places[:, None], places] @ spread.T))


def test_sister_tasks_share_no_class() -> None:
    assert not set(load_task("quickdraw40").classes) & set(load_task("quickdraw60").classes)


def test_a_task_shows_itself_in_a_line() -> None:
    shown = "<task udhr_langid-v1: 28x64, 18 classes, 2,803 + 1,409 + 1,409 examples>"
    assert repr(load_task("udhr_langid-v1")) == shown


def test_a_name_without_version_is_the_latest() -> None:
    assert load_task("udhr_langid").name == "udhr_langid-v1"


def test_an_unknown_task_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown task 'fashion_mnst-v1'. Did you mean 'fashion_mnist-v1'\?"):
        load_task("fashion_mnst-v1")


def test_a_card_of_ones_own(copied: Path) -> None:
    assert load_task(str(copied)).sha256 == load_task("udhr_langid-v1").sha256


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('domain = "text"', 'domain = "text"\nauthor = "me"', r"author: Extra inputs are not permitted"),
        ('kind = "sequence"', 'kind = "video"', r"input\.kind: Input should be 'image' or 'sequence'"),
        ("seed = 0", "", r"split\.seed: Field required"),
        ("seed = 0", "seed =", r"no readable TOML"),
        ('name = "udhr_langid-v1"', 'name = "other-v1"', r"name is that of its file.*'other-v1'"),
    ],
)
def test_a_broken_card_is_refused(copied: Path, old: str, new: str, complaint: str) -> None:
    copied.write_text(copied.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InvalidFileError, match=complaint):
        read_card(copied)


def test_a_missing_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match="there is no file"):
        load_task(str(tmp_path / "none-v1.toml"))


def test_altered_cut_or_missing_arrays_are_refused(copied: Path) -> None:
    path = copied.parent / "data" / "udhr_langid-v1.npz"
    whole = path.read_bytes()
    for data in (whole[:-1], whole[:1000] + b"x" + whole[1001:]):
        path.write_bytes(data)
        with pytest.raises(InvalidFileError, match=r"must have the sha256 [0-9a-f]{64} that its card states, but has"):
            load_task(str(copied))
    path.unlink()
    with pytest.raises(InvalidFileError, match=r"must lie at .*No such file"):
        load_task(str(copied))


@pytest.mark.parametrize(("old", "new"), [("seed = 0", "seed = 1"), ("training = 50", "training = 60")])
def test_another_split_than_the_cards_is_refused(copied: Path, old: str, new: str) -> None:
    copied.write_text(copied.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InvalidFileError, match="its sha256 differs"):
        load_task(str(copied))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("rows = 5621", "rows = 5622", "asks for arrays"),
        ('unit = "block of text"', 'unit = "row"', "asks for arrays"),
        (', "tur"]', "]", "numbered 0 to 16"),
    ],
)
def test_arrays_that_do_not_fit_the_card_are_refused(copied: Path, old: str, new: str, complaint: str) -> None:
    copied.write_text(copied.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InvalidFileError, match=complaint):
        load_task(str(copied))


def test_identity_ignores_prose_and_depends_on_all_else() -> None:
    task = load_task("udhr_langid-v1")

    def identity(card: Card) -> str:
        return Task(card=card, x=task.x, y=task.y, split=task.split).sha256

    card = task.card
    assert identity(card.model_copy(update={"description": "text", "baselines": {}})) == task.sha256
    for field in ("input", "split", "arrays", "labels"):
        other = load_task("fashion_mnist-v1").card
        assert identity(card.model_copy(update={field: getattr(other, field)})) != task.sha256


class TestResolution:
    @given(st.integers(1, 40), st.integers(1, 40))
    def test_area_matrix_averages(self, length: int, size: int) -> None:
        size = min(size, length)
        matrix = area_matrix(length, size).astype(np.float64)
        assert matrix.shape == (size, length)
        assert (matrix >= 0).all()
        np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-6)
        np.testing.assert_allclose(matrix.sum(axis=0), size / length, rtol=1e-5)  # every pixel counts alike

    @pytest.mark.parametrize(("size", "factor"), [(14, 2), (7, 4), (28, 1)])
    def test_whole_factors_are_block_means(self, size: int, factor: int) -> None:
        x = np.random.default_rng(0).normal(size=(28, 28)).astype(np.float32)
        matrix = area_matrix(28, size)
        blocks = x.reshape(size, factor, size, factor).mean(axis=(1, 3))
        np.testing.assert_allclose(matrix @ x @ matrix.T, blocks, atol=1e-6)

    def test_fractional_factors_weigh_the_pixels_that_are_cut(self) -> None:
        np.testing.assert_allclose(area_matrix(3, 2), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]], rtol=1e-6)

    def test_a_task_at_another_resolution(self) -> None:
        stored = load_task("noto_scripts-v1")
        task = load_task("noto_scripts-v1", resolution=8)
        assert task.shape == (1, 8, 8)
        assert task.sha256 == stored.sha256
        np.testing.assert_array_equal(task.x, stored.resized(8).x)
        with np.load(folder("tasks") / stored.card.arrays.file) as file:
            raw = area_matrix(28, 8) @ file["x"].astype(np.float32) @ area_matrix(28, 8).T
        rows = raw[task.split["training"]]
        np.testing.assert_allclose(task.x, (raw - rows.mean()) / rows.std(), rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize("size", [0, -3, 29])
    def test_impossible_sizes_are_refused(self, size: int) -> None:
        with pytest.raises(InvalidValueError, match=rf"1 <= size <= 28 must hold.*size={size}"):
            load_task("noto_scripts-v1", resolution=size)

    def test_a_sequence_has_none(self) -> None:
        with pytest.raises(InvalidValueError, match="Only images have a resolution"):
            load_task("udhr_langid-v1", resolution=8)


class TestAssign:
    labels = arrays.arrays(np.int64, st.integers(60, 200), elements=st.integers(0, 3))

    @staticmethod
    def split(seed: int = 0, unit: str = "row") -> Split:
        return Split(unit=unit, seed=seed, training=2, validation=1, test=1, sha256="0" * 64)

    @given(labels, st.integers(0, 2**64 - 1))
    def test_rows_are_dealt_class_by_class(self, y: np.ndarray, seed: int) -> None:
        parts = assign(y, None, self.split(seed))
        for number in np.unique(y):
            counts = np.bincount(parts[y == number], minlength=3)
            assert np.abs(counts - counts.sum() * np.array([0.5, 0.25, 0.25])).max() <= 1

    @given(labels, st.integers(1, 30), st.integers(0, 2**64 - 1))
    def test_groups_stay_whole(self, y: np.ndarray, n_groups: int, seed: int) -> None:
        groups = np.random.default_rng(seed).integers(n_groups, size=len(y))
        parts = assign(y, groups, self.split(seed, "group"))
        assert all(len(np.unique(parts[groups == group])) == 1 for group in np.unique(groups))

    def test_the_order_of_rows_within_a_file_and_names_of_groups_do_not_matter_to_size(self) -> None:
        rng = np.random.default_rng(0)
        groups = np.repeat(np.arange(400), rng.integers(1, 6, size=400))
        y = groups % 5
        counts = np.bincount(assign(y, groups, self.split(1, "group"))) / len(y)
        np.testing.assert_allclose(counts, [0.5, 0.25, 0.25], atol=0.01)

    def test_the_seed_decides(self) -> None:
        y = np.arange(400) % 4
        first, again, other = (assign(y, None, self.split(seed)) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()
