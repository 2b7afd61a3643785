"""Model files, pickles, and the program `cvx`."""

import copy
import json
import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cvx_relu import ConvexReLUClassifier, ConvexReLURegressor, load

PROGRAM = os.environ.get("CVX_PROGRAM")
needs_program = pytest.mark.skipif(PROGRAM is None, reason="CVX_PROGRAM does not name the program `cvx`")


def run(folder, *arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def flowers():
    """Three classes by name, with names for the features (150 x 4)."""
    from sklearn.datasets import load_iris

    iris = load_iris(as_frame=True)
    return iris.data, iris.target_names[iris.target]


def test_a_model_comes_back_from_its_file(tmp_path, flowers):
    X, y = flowers
    network = ConvexReLUClassifier(loss="logistic", activation="gated", random_state=3, beta_fraction=0.01).fit(X, y)
    network.save(tmp_path / "model.cvx")
    again = load(tmp_path / "model.cvx")
    np.testing.assert_array_equal(again.predict_proba(X), network.predict_proba(X))
    np.testing.assert_array_equal(again.classes_, network.classes_)
    np.testing.assert_array_equal(again.feature_names_in_, network.feature_names_in_)
    assert again.certificate_ == network.certificate_
    assert again.verify(X, y).holds
    # The parameters in the file are enough to repeat the run.
    np.testing.assert_array_equal(again.set_params(patterns=50).fit(X, y).w1_, network.w1_)


def test_pickles_and_copies_are_whole(flowers, waves):
    X, y = flowers
    for network, samples in (
        (ConvexReLUClassifier(beta_fraction=0.001).fit(X, y), X),
        (ConvexReLURegressor(loss="huber", beta_fraction=0.001).fit(*waves), waves[0]),
    ):
        for again in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
            np.testing.assert_array_equal(again.predict(samples), network.predict(samples))
            np.testing.assert_array_equal(again.history_["rho"], network.history_["rho"])
            assert again.certificate_ == network.certificate_
            assert again.get_params() == network.get_params()


def test_files_that_are_no_models_are_errors(tmp_path, waves):
    with pytest.raises(FileNotFoundError, match="does not exist: check the name") as caught:
        load(tmp_path / "absent.cvx")
    assert caught.value.filename == str(tmp_path / "absent.cvx")
    text = tmp_path / "text.cvx"
    text.write_text("a table")
    with pytest.raises(ValueError, match="not a cvx model"):
        load(text)
    network = ConvexReLURegressor(beta_fraction=0.001).fit(*waves)
    network.save(text)
    text.write_bytes(text.read_bytes()[:-1])
    with pytest.raises(ValueError, match="damaged model"):
        load(text)
    with pytest.raises(OSError, match="cannot be written"):
        network.save(tmp_path / "no folder" / "model.cvx")


@needs_program
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_the_program_trains_the_same_network(tmp_path, moons, loss):
    X, y = moons
    pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "label": y}).to_csv(tmp_path / "table.csv", index=False)
    options = ["--loss", loss, "--beta-fraction", "0.01", "--seed", "5", "--patterns", "30"]
    files = ["--model", "model.cvx", "--json", "run.json"]
    run(tmp_path, "train", "--data", "table.csv", "--quiet", *options, *files)
    report = json.loads((tmp_path / "run.json").read_text())
    network = ConvexReLUClassifier(30, loss=loss, beta_fraction=0.01, random_state=5).fit(X, y)
    certificate = network.certificate_
    assert report["objective"]["network"] == certificate.network
    assert report["objective"]["dual_bound"] == certificate.dual_bound
    assert report["iterations"] == network.n_iter_
    assert report["history"][2]["primal_residual"] == network.history_["primal_residual"][2]
    trained = load(tmp_path / "model.cvx")
    np.testing.assert_array_equal(trained.w1_, network.w1_)
    np.testing.assert_array_equal(trained.classes_, [0, 1])
    assert list(trained.feature_names_in_) == ["a", "b"]


@needs_program
def test_the_program_predicts_and_verifies_with_our_file(tmp_path, flowers):
    X, y = flowers
    X.columns = ["length", "width", "petal length", "petal width"]
    X.assign(label=y).to_csv(tmp_path / "table.csv", index=False)
    network = ConvexReLUClassifier(beta_fraction=0.001).fit(X, y)
    network.save(tmp_path / "model.cvx")
    run(tmp_path, "verify", "model.cvx", "--data", "table.csv")
    run(tmp_path, "predict", "model.cvx", "--data", "table.csv", "--out", "predictions.csv")
    predictions = pd.read_csv(tmp_path / "predictions.csv")
    np.testing.assert_array_equal(predictions["class"], network.predict(X))
    scores = predictions[[f"score {name}" for name in network.classes_]]
    np.testing.assert_allclose(scores, network.decision_function(X), rtol=1e-12, atol=1e-12)


@needs_program
def test_a_regression_of_the_program_is_loaded(tmp_path, waves):
    X, y = waves
    pd.DataFrame(X).assign(label=y).to_csv(tmp_path / "table.csv", index=False)
    options = ["--task", "regression", "--loss", "huber", "--huber-delta", "0.5", "--no-bias"]
    run(tmp_path, "train", "--data", "table.csv", "--quiet", *options, "--model", "model.cvx")
    network = load(Path(tmp_path, "model.cvx"))
    assert isinstance(network, ConvexReLURegressor)
    assert (network.loss, network.huber_delta, network.bias) == ("huber", 0.5, False)
    assert network.verify(pd.DataFrame(X, columns=network.feature_names_in_), y).holds


@needs_program
def test_two_classes_of_a_multiclass_model(tmp_path, moons):
    X, y = moons
    pd.DataFrame(X).assign(label=y).to_csv(tmp_path / "table.csv", index=False)
    run(tmp_path, "train", "--data", "table.csv", "--quiet", "--task", "multiclass", "--model", "model.cvx")
    network = load(tmp_path / "model.cvx")
    X = pd.DataFrame(X, columns=network.feature_names_in_)
    decision = network.decision_function(X)
    assert decision.shape == (len(y),)
    np.testing.assert_array_equal((decision > 0).astype(int), network.predict(X))
