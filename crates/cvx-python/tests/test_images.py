"""Neurons on patches of images."""

import pickle

import numpy as np
import pytest
from cvx_relu import ConvexReLUClassifier, ConvexReLURegressor, load, path
from sklearn.base import clone

#: Enough where only the mechanics matter.
FEW = {"patterns": 8, "gates": "conv", "beta_fraction": 0.05, "directions": 6, "flips": True}


@pytest.fixture(scope="module")
def strokes():
    """Noise (80 x 1 x 16 x 16), with a bright diagonal somewhere in every second image."""
    rng = np.random.default_rng(0)
    images = 0.3 * rng.random((80, 1, 16, 16))
    for image in images[::2, 0]:
        row, column = rng.integers(0, 12, 2)
        image[row : row + 4, column : column + 4] += np.eye(4)
    return images, np.where(np.arange(80) % 2 == 0, "stroke", "noise")


@pytest.fixture(scope="module")
def network(strokes):
    return ConvexReLUClassifier(**FEW).fit(*strokes)


def test_a_network_on_patches_is_certified_and_finds_strokes_anywhere(strokes, network):
    X, y = strokes
    assert network.status_ == "Optimal"
    assert network.verify(X, y).holds
    assert network.score(X, y) > 0.95
    patches = network.patches_
    assert (patches["image"], patches["side"], patches["stride"], patches["regions"]) == ((1, 16, 16), 3, 1, 3)
    assert patches["values"].shape == (10, 7)
    assert network.gates_.shape == (10, network.n_neurons_)
    assert network.w1_.shape == (9 * 7, network.n_neurons_)
    np.testing.assert_allclose(network.decision_function(X[..., ::-1]), network.decision_function(X), atol=1e-5)
    with pytest.raises(ValueError, match="neurons on patches have no weights on features"):
        network.raw_weights()


def test_predictions_are_the_sums_over_patches(strokes, network):
    X, _ = strokes
    x = (X.reshape(80, 256) - network.model_.offset) / network.model_.scale
    patches, total = network.patches_, 0.0
    for images in (x.reshape(80, 16, 16), x.reshape(80, 16, 16)[..., ::-1]):
        windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(1, 2)).reshape(80, 14, 14, 9)
        centred = windows - windows.mean(axis=-1, keepdims=True)
        contrast = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + patches["contrast"] ** 2)
        p = np.concatenate([centred / contrast, np.ones((80, 14, 14, 1))], axis=-1)
        region = np.arange(14) * 3 // 14
        in_region = np.eye(9)[region[:, np.newaxis] * 3 + region]
        on, values = p @ network.gates_ >= 0, p @ patches["values"]
        z = np.einsum("rcq,nrcm,nrcv->nmqv", in_region, on, values, optimize=True) * np.sqrt(9 / 14**2) / 2
        total = total + np.einsum("nmd,dm,mk->nk", z.reshape(80, network.n_neurons_, 63), network.w1_, network.w2_)
    expected = (total + network.output_bias_)[:, 0]
    # Of two classes the second has the positive output.
    np.testing.assert_allclose(network.decision_function(X), expected, rtol=1e-5, atol=1e-6)


def test_rows_of_pixels_and_images_are_the_same(strokes, network):
    X, y = strokes
    rows = X.reshape(80, 256)
    by_rows = ConvexReLUClassifier(**FEW, image=(1, 16, 16)).fit(rows, y)
    np.testing.assert_array_equal(by_rows.w1_, network.w1_)
    np.testing.assert_array_equal(network.predict(rows), network.predict(X))
    assert network.n_features_in_ == 256
    with pytest.raises(ValueError, match=r"image is \(1, 8, 32\), but X has images of \(1, 16, 16\)"):
        ConvexReLUClassifier(**FEW, image=(1, 8, 32)).fit(X, y)
    with pytest.raises(ValueError, match="256"):
        network.predict(X[:, :, :15])


def test_images_have_patches_where_beta_is_chosen(strokes):
    X, y = strokes
    parameters = {"patterns": 6, "folds": 2, "ensemble": 1, "gap": 0.05}
    chosen = ConvexReLUClassifier(**parameters).fit(X, y)
    assert chosen.patches_ is not None
    assert chosen.predict_proba(X).shape == (80, 2)
    assert chosen.verify(X, y).holds
    for samples in (X[..., :15], X.reshape(80, 256)):
        assert ConvexReLUClassifier(**parameters).fit(samples, y).patches_ is None


def test_parameters_of_patches_are_used_and_imply_them(strokes):
    X, y = strokes
    given = {"patch": 4, "stride": 2, "regions": 2, "flips": False, "patch_gates": "random", "active": 0.4}
    given["feature_precision"] = "half"
    estimator = ConvexReLURegressor(5, beta_fraction=0.05, directions=4, whitening=None, **given)
    assert clone(estimator).get_params() == estimator.get_params()
    network = estimator.fit(X, (y == "stroke").astype(float))
    patches = network.patches_
    found = (patches["side"], patches["stride"], patches["regions"], patches["mirrored"])
    assert found == (4, 2, 2, False)
    assert patches["feature_precision"] == "half"
    assert patches["values"].shape == (17, 5)
    assert not np.allclose(network.predict(X[..., ::-1]), network.predict(X))
    unwhitened = patches["values"]
    whitened = clone(estimator).set_params(whitening=0.1).fit(X, (y == "stroke").astype(float))
    assert not np.allclose(whitened.patches_["values"], unwhitened)


def test_files_and_pickles(tmp_path, strokes, network):
    X, y = strokes
    network.save(tmp_path / "model.cvx")
    again = load(tmp_path / "model.cvx")
    for other in (again, pickle.loads(pickle.dumps(network))):
        np.testing.assert_array_equal(other.predict(X), network.predict(X))
        assert other.verify(X, y).holds
    assert (again.gates, again.patch, again.stride, again.regions, again.directions) == ("conv", 3, 1, 3, 6)
    assert again.feature_precision == "single"
    # The parameters in the file are enough to repeat the run.
    np.testing.assert_array_equal(again.fit(X, y).w1_, network.w1_)


def test_a_path_on_patches(strokes):
    X, y = strokes
    found = path(ConvexReLUClassifier(6, gates="conv", directions=4), X, y, betas=3, folds=2, beta_ratio=0.05)
    assert found.estimator.patches_ is not None
    assert len(found.points["beta"]) == 3


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"patch": 17}, "patch is 17, but it must be at most the shorter side of the images"),
        ({"patch": 0}, "patch is 0, but it must be at least 1"),
        ({"stride": "wide"}, "stride is 'wide', but it must be None, or a whole number above 0"),
        ({"regions": 15}, "regions is 15, but it must be at most the number of patches along a side"),
        ({"active": 1.0}, "active is 1, but it must be between 0 and 1"),
        ({"whitening": -1.0}, "whitening is -1, but it must be a positive number"),
        ({"directions": 0}, "directions is 0, but it must be at least 1"),
        ({"flips": "no"}, "flips is 'no', but it must be None, True or False"),
        ({"feature_precision": "double"}, "feature_precision is 'double', but it must be one of single, half"),
        ({"patch_gates": "best"}, "patch_gates is 'best', but it must be one of clusters, random"),
        ({"activation": "relu"}, "activation is relu, but it must be gated for gates of patches"),
        ({"gates": "local", "patch": 4}, "are only for gates='conv': choose it"),
        ({"gates": np.ones((257, 2)), "active": 0.3}, "are only for gates='conv': choose it"),
        ({"gates": "sharp"}, "gates is 'sharp', but it must be one of auto, conv, "),
    ],
)
def test_bad_parameters_are_named(strokes, parameters, message):
    with pytest.raises(ValueError, match=message):
        ConvexReLUClassifier(**{**FEW, "directions": 32, **parameters}).fit(*strokes)


def test_a_table_has_no_patches(waves):
    with pytest.raises(ValueError, match=r"the gates 'conv' are patches of images, .*: give the shape of an image"):
        ConvexReLURegressor(gates="conv", beta_fraction=0.1).fit(*waves)
