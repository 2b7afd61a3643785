"""Tables of pandas and polars: texts, categories, booleans, dates and missing values, straight into fit and predict."""

import warnings

import numpy as np
import pandas as pd
import pytest
from cvx_relu import ConvexReLUClassifier, ConvexReLURegressor, load, path

pl = pytest.importorskip("polars")

N = 120


def people():
    """A table of every kind of column, and labels that follow from it."""
    k = np.arange(N)
    table = pd.DataFrame(
        {
            "age": np.where(k % 11 == 3, np.nan, 20.0 + k % 40),
            "colour": pd.Series(np.array(["red", "green", "blue"])[k % 3]).where(k % 10 != 4),
            "grade": pd.Categorical(np.array(["low", "high", "top"])[k % 7 % 3]),
            "member": k % 2 == 0,
            "visits": pd.array(np.where(k % 9 == 1, None, k % 5), dtype="Int64"),
            "joined": pd.Timestamp("2024-01-01") + pd.to_timedelta(k % 28, unit="D"),
            "ticket": [f"t{one}" for one in k],
        }
    )
    return table, np.where((k % 3 == 0) ^ (k % 40 > 20), "yes", "no")


def in_polars(X):
    """The same table, without the library that pandas and polars exchange tables by."""
    columns = {name: [None if pd.isna(value) else value for value in X[name]] for name in X.columns}
    return pl.DataFrame(columns)


def quiet(kind=ConvexReLUClassifier, **parameters):
    return kind(patterns=10, beta_fraction=0.01, **parameters)


def test_a_table_goes_all_the_way(tmp_path):
    X, y = people()
    network = quiet(dates=["joined"]).fit(X, y)
    names = list(network.get_feature_names_out())
    assert names[:5] == ["age", "age is missing", "colour=blue", "colour=green", "colour=red"]
    assert {"colour is missing", "member=True", "visits", "visits is missing", "joined"} < set(names)
    assert not any("ticket" in name for name in names), "an identifier"
    assert (network.n_features_in_, list(network.feature_names_in_)) == (7, list(X.columns))
    assert network.score(X, y) > 0.8
    assert network.verify(X, y).holds

    network.save(tmp_path / "m.cvx")
    again = load(tmp_path / "m.cvx")
    turned = X[reversed(X.columns)].drop(columns="ticket")
    np.testing.assert_array_equal(again.decision_function(turned), network.decision_function(X))
    assert list(again.get_feature_names_out()) == names
    assert list(again.feature_names_in_) == list(X.columns)


def test_pandas_and_polars_agree_to_the_bit():
    X, y = people()
    dates = {"dates": ["joined"]}
    network = quiet(**dates).fit(X, y)
    other = quiet(**dates).fit(in_polars(X), y)
    assert list(other.get_feature_names_out()) == list(network.get_feature_names_out())
    np.testing.assert_array_equal(other.decision_function(X), network.decision_function(in_polars(X)))
    categories = in_polars(X).with_columns(pl.col("colour").cast(pl.Categorical))
    np.testing.assert_array_equal(other.decision_function(categories), network.decision_function(X))


def test_what_training_did_not_see_is_said():
    X, y = people()
    network = quiet(drop=["joined"]).fit(X, y)
    later = X.head(4).assign(colour=["mauve", "red", None, "blue"], more=1)
    with pytest.warns(UserWarning, match="trained without: more") as said:
        network.predict(later)
    assert any("colour: 1 row with a category" in str(one.message) for one in said)
    with pytest.raises(ValueError, match="lacks 2 columns that the model was trained on: age, grade"):
        network.predict(X.drop(columns=["age", "grade"]))


@pytest.mark.parametrize("convert", [lambda X: X, in_polars], ids=["pandas", "polars"])
def test_a_network_that_chose_its_beta_takes_tables(convert):
    X, y = people()
    X = X.drop(columns="joined")
    network = ConvexReLUClassifier(20, folds=3, ensemble=1).fit(convert(X), y)
    known = network.predict_proba(convert(X.head(4)))
    np.testing.assert_allclose(known.sum(axis=1), 1)
    with pytest.warns(UserWarning, match="colour: 2 rows with a category that was not in training, such as 'mauve'"):
        unknown = network.predict_proba(convert(X.head(4).assign(colour=["mauve", "red", None, "teal"])))
    assert np.isfinite(unknown).all()
    np.testing.assert_allclose(unknown.sum(axis=1), 1)
    assert network.verify(convert(X), y).holds


def test_arrays_with_missing_values_are_filled(waves):
    X, y = waves
    holes = X.copy()
    holes[::7, 1] = np.nan
    network = quiet(ConvexReLURegressor).fit(holes, y)
    assert list(network.get_feature_names_out()) == ["column 1", "column 2", "column 2 is missing", "column 3"]
    # A value may be missing later where none was in training: it is the median.
    later, filled = X[:5].copy(), X[:5].copy()
    later[2, 0], filled[2, 0] = np.nan, np.median(X[:, 0])
    np.testing.assert_array_equal(network.predict(later), network.predict(filled))
    with pytest.raises(ValueError, match="3 features"):
        network.predict(X[:, :2])
    assert network.__sklearn_tags__().input_tags.allow_nan
    # Numbers without missing values are not encoded, also those of a table.
    plain = quiet(ConvexReLURegressor).fit(X, y)
    frame = quiet(ConvexReLURegressor).fit(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    assert plain.model_.recipe is None
    assert frame.model_.recipe is None
    assert list(frame.get_feature_names_out()) == ["a", "b", "c"]
    assert list(plain.get_feature_names_out()) == ["x0", "x1", "x2"]
    np.testing.assert_array_equal(plain.predict(X), frame.predict(pd.DataFrame(X, columns=["a", "b", "c"])))
    with pytest.raises(ValueError, match="NaN"):
        plain.predict(holes)


def test_weights_test_samples_and_paths_take_tables():
    X, y = people()
    X = X.drop(columns="joined")
    weights = np.where(np.arange(N) < 100, 1.0, 0.0)
    network = quiet().fit(X, y, weights)
    same = quiet().fit(X[:100], y[:100], weights[:100])
    np.testing.assert_array_equal(network.decision_function(X), same.decision_function(X))
    assert network.verify(X, y, weights).holds
    watched = quiet().fit(X[:100], y[:100], test=(X[100:], y[100:]))
    assert "test_accuracy" in watched.history_
    found = path(quiet(), X[:100], y[:100], betas=4, test=(X[100:], y[100:]))
    assert found.estimator.predict(X).shape == (N,)


def test_the_user_decides_about_columns():
    X, y = people()
    digits = pd.DataFrame({"code": np.arange(N) % 4, "size": [str(k % 9) for k in range(N)], "x": np.arange(N) % 17})
    network = quiet(categorical=["code"], numeric=[1]).fit(digits, y)
    assert list(network.get_feature_names_out()) == ["code=0", "code=1", "code=2", "code=3", "size", "x"]
    with pytest.raises(ValueError, match="'joined' of X holds dates: name it in dates or in drop"):
        quiet().fit(X, y)
    with pytest.raises(ValueError, match="no column 'hue': the columns are age, colour"):
        quiet(drop=["hue", "joined"]).fit(X, y)
    with pytest.raises(ValueError, match="the column 'colour' is 'red', which is not a number"):
        quiet(numeric=["colour"], drop=["joined"]).fit(X, y)
    with pytest.raises(ValueError, match="drop is 'joined', but it must be None or a list of columns"):
        quiet(drop="joined").fit(X, y)
    with pytest.raises(ValueError, match="one label per row"):
        quiet(drop=["joined"]).fit(X, y[:-1])


def test_a_table_without_missing_values_says_nothing():
    X, y = people()
    network = quiet(dates=["joined"]).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network.predict(X)
