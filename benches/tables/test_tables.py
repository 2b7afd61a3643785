"""Tests of what the benchmark reads, how it divides, and how it counts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tables import data, methods, report, rows


def table(tmp_path: Path, text: str, **options: object) -> data.Table:
    path = tmp_path / "some.csv"
    path.write_text(text)
    return data.from_file(path, **options)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1,a\n2,b\n", ["1"]),
        ("size,kind\n1,a\n2,b\n", ["size"]),
        ("?,a\n2,b\n", ["1"]),
        ("red,a\nblue,b\nred,a\n", ["1"]),
        ("colour,kind\nred,a\nred,b\n", ["colour"]),
        ("size;kind\n1;a\n", ["size"]),
    ],
)
def test_a_header_is_found(tmp_path, text, names):
    assert list(table(tmp_path, text).X.columns) == names


def test_cells_are_numbers_texts_or_missing(tmp_path):
    found = table(tmp_path, "1, red ,x\n?,blue,y\n3.5,NA,x\n4,red,?\n")
    assert found.X["1"].tolist()[::2] == [1, 3.5]
    assert found.X["1"].isna().tolist() == [False, True, False]
    assert found.X["2"].tolist()[:2] == ["red", "blue"]
    assert found.X["2"].isna().tolist() == [False, False, True]
    assert found.y.tolist() == ["x", "y", "x"]


def test_the_label_is_a_class_or_a_number(tmp_path):
    def lines(labels):
        return "".join(f"0,{label}\n" for label in labels)

    assert not table(tmp_path, lines(range(20))).regression
    assert table(tmp_path, lines(range(21))).regression
    assert table(tmp_path, lines([0, 0.5])).regression
    assert table(tmp_path, lines([0, 1]), regression=True).regression
    assert table(tmp_path, "a,b\n1,2\n3,5\n", label="a").y.tolist() == [1, 3]
    assert table(tmp_path, "1,2\n3,5\n", label="1").y.tolist() == [1, 3]
    with pytest.raises(ValueError, match="no column c"):
        table(tmp_path, "a,b\n1,2\n", label="c")
    with pytest.raises(ValueError, match="not a number"):
        table(tmp_path, "1,x\n2,y\n", regression=True)


def test_a_split_keeps_rare_classes_in_training():
    y = np.array(["a"] * 40 + ["b"] * 12 + ["c"])
    of = data.Table("some", pd.DataFrame({"x": np.arange(53)}), y, False)
    train, test = of.split(3)
    assert sorted([*train, *test]) == list(range(53))
    assert [sum(y[test] == name) for name in "abc"] == [10, 3, 0]
    assert np.array_equal(of.split(3)[1], test)
    assert not np.array_equal(of.split(4)[1], test)


def test_folds_test_each_common_sample_once_and_train_on_rare_classes():
    y = np.array(["a"] * 10 + ["b"] * 7 + ["c", "c"])
    parts = data.folds(y, 5, False, 0)
    assert sorted(np.concatenate([test for _, test in parts])) == list(range(17))
    for train, test in parts:
        assert set(train).isdisjoint(test)
        assert sum(y[train] == "c") == 2
    assert len(data.folds(np.arange(10.0), 3, True, 0)) == 3


def test_preparation_knows_the_training_part_only():
    train = pd.DataFrame({"x": [1.0, 2.0, np.nan, 3.0], "kind": ["a", "a", "a", "b"]})
    test = pd.DataFrame({"x": [np.nan, 5.0], "kind": ["new", "a"]})
    prepare = methods.preparation(train, scaled=True).fit(train)
    deviation = np.std([1, 2, 2, 3])
    assert prepare.transform(test) == pytest.approx(np.array([[0, 0, 0], [3 / deviation, 1, 0]]))
    assert methods.preparation(train, scaled=False).fit_transform(train)[:, 0].tolist() == [1, 2, 2, 3]


def test_a_measurement_has_a_score_or_a_reason():
    of = data.built_in("iris")
    row = rows.measure(of, 0, "linear", 1)
    assert (row["status"], row["n_train"], row["n_test"]) == ("Fitted", 112, 38)
    assert row["score"] > 0.9
    assert 0 < row["log_loss"] < 0.5
    broken = data.Table("some", of.X.assign(x=np.inf), of.y, False)
    row = rows.measure(broken, 0, "linear", 1)
    assert (row["status"], row["score"]) == ("Failed", None)
    assert "ValueError" in row["error"]


def fits(scores: dict[str, list[float | None]], task: str = "classification") -> list[dict]:
    return [
        {
            "data": f"table {at}",
            "seed": 0,
            "method": method,
            "task": task,
            "n_samples": 10,
            "n_features": 2,
            "status": "Failed" if score is None else "Fitted",
            "score": score,
            "log_loss": None,
            "seconds": 1.0,
            "cpu_seconds": 1.0,
        }
        for method, of in scores.items()
        for at, score in enumerate(of)
    ]


def test_ranks_ties_and_deficits():
    found = report.summary(
        pd.DataFrame(fits({"cvx": [0.9, 0.8, 0.5], "mlp": [0.9, 0.9, None], "svm": [0.7, 0.6, 0.4]}))
    )
    assert found.ranks.mean().tolist() == pytest.approx([1.5, 5.5 / 3, 8 / 3])
    assert found.scores["mlp"].tolist() == [0.9, 0.9, 0]
    text = report.text(found)
    assert "behind the best of mlp, svm on 1 of 3 tables. The largest deficit is 0.1000, on table 1" in text
    assert "| mlp | 0.6000 | 1.83 | 1.000 | 1.000 |  | 1 | 1 to 1 |" in text


def test_a_table_without_all_splits_is_not_counted():
    some = fits({"mlp": [0.5, 0.6], "svm": [0.5, 0.7]})
    found = report.summary(pd.DataFrame(some[:-1]))
    assert (list(found.scores.index), found.incomplete) == (["table 0"], ["table 1"])
    assert "table 1" in report.text(found)


def test_the_last_of_equal_rows_counts(tmp_path):
    path = tmp_path / "rows.jsonl"
    for score in (None, 0.5):
        rows.append(path, fits({"svm": [score]})[0])
    assert rows.read(path)["score"].tolist() == [0.5]
    assert rows.read(tmp_path / "none.jsonl").empty
