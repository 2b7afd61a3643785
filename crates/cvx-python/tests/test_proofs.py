"""Proofs about networks: robustness, radii, ranges of outputs, differences of networks."""

import numpy as np
import pandas as pd
import pytest
from cvx_relu import ConvexReLUClassifier, ConvexReLURegressor

#: One run at a given beta.
SMALL = {"patterns": 12, "beta_fraction": 1e-2}


@pytest.fixture(scope="module")
def blobs():
    """Three classes of two features, with names that are not in the order of their numbers."""
    random = np.random.RandomState(0)
    X = np.concatenate([random.normal(centre, 0.5, (40, 2)) for centre in ([-2, 0], [2, 0], [0, 3])])
    return X, np.repeat([10, 2, 9], 40)


@pytest.fixture(scope="module")
def network(blobs):
    return ConvexReLUClassifier(activation="relu", **SMALL).fit(*blobs)


def test_proved_samples_have_no_other_class_nearby_and_refuted_ones_have(blobs, network):
    X, y = blobs
    found = network.certify_robust(X, y, eps=0.6)
    assert found.proved.any()
    assert found.refuted.any()
    assert (found.proved | found.refuted).all()
    random = np.random.RandomState(1)
    for sample, label, proved, point in zip(X, y, found.proved, found.points, strict=True):
        near = sample + random.uniform(-0.6, 0.6, (200, 2))
        if proved:
            assert point is None
            assert (network.predict(near) == label).all()
        else:
            assert np.abs(point - sample).max() <= 0.6
            assert network.predict(point[np.newaxis])[0] != label
    balls = network.certify_robust(X, norm="l2", eps=0.6)
    assert (balls.proved >= (found.proved & (network.predict(X) == y))).all()
    assert (
        network.certify_robust(X, eps=0.6, deployed="f32").proved == network.certify_robust(X, eps=0.6).proved
    ).all()


def test_radii_separate_what_is_proved_from_what_is_not(blobs, network):
    X = blobs[0][:12]
    radii = network.certified_radius(X, tolerance=0.01)
    for sample, radius in zip(X, radii, strict=True):
        row = sample[np.newaxis]
        assert network.certify_robust(row, eps=radius).proved.all()
        assert network.certify_robust(row, eps=1.02 * radius).refuted.all()


def test_bounds_hold_and_are_tight():
    random = np.random.RandomState(2)
    X = random.uniform(-1, 1, (120, 3))
    y = np.abs(X[:, 0]) - X[:, 1] * X[:, 2]
    relu = ConvexReLURegressor(activation="relu", **SMALL).fit(X, y)
    gated = ConvexReLURegressor(activation="gated", **SMALL).fit(X, y)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 21)] * 3), -1).reshape(-1, 3)
    for one in (relu, gated):
        low, high = one.output_bounds([-1] * 3, [1] * 3)
        found = one.predict(grid)
        assert low[0] <= found.min()
        assert found.max() <= high[0]
    assert relu.output_bounds([-1] * 3, [1] * 3)[1][0] - relu.predict(grid).max() < 0.02
    bound = relu.difference_bound(gated, [-1] * 3, [1] * 3)
    difference = np.abs(relu.predict(grid) - gated.predict(grid)).max()
    assert difference <= bound[0] <= difference + 0.3
    assert relu.difference_bound(relu, [-1] * 3, [1] * 3)[0] < 1e-9


def test_of_a_table_numbers_move_and_categories_do_not():
    random = np.random.RandomState(3)
    frame = pd.DataFrame({"size": random.uniform(0, 1, 90), "kind": random.choice(["a", "b", "c"], 90)})
    y = (frame["size"] + (frame["kind"] == "a") > 0.9).to_numpy()
    network = ConvexReLUClassifier(activation="relu", **SMALL).fit(frame, y)
    found = network.certify_robust(frame, eps=0.4)
    names = list(network.get_feature_names_out())
    for at, point in enumerate(found.points):
        if point is not None:
            kinds = {name: value for name, value in zip(names, point, strict=True) if name != "size"}
            assert set(kinds.values()) <= {0.0, 1.0}
            assert abs(point[names.index("size")] - frame["size"][at]) <= 0.4 + 1e-12
    assert found.refuted.any()
    assert found.proved.any()


def test_what_cannot_be_asked_is_an_error(blobs, network):
    X, y = blobs
    for arguments, words in [
        ({"eps": -1.0}, "eps is -1"),
        ({"eps": 0.1, "norm": "l3"}, "norm is l3"),
        ({"eps": 0.1, "deployed": "f16"}, "deployed is f16"),
        ({"eps": 0.1, "time_limit": 0.0}, "time_limit is 0"),
        ({"eps": 0.1, "time_limit": 1e19}, "time_limit is 1"),
        ({"eps": 0.1, "values": (0.0, 9.0)}, "the sample at row 1 "),
    ]:
        with pytest.raises(ValueError, match=words):
            network.certify_robust(X, **arguments)
    with pytest.raises(ValueError, match="tolerance is 0"):
        network.certified_radius(X, tolerance=0.0)
    with pytest.raises(ValueError, match="does not know"):
        network.certify_robust(X[:1], [77], eps=0.1)
    with pytest.raises(ValueError, match="inconsistent"):
        network.certify_robust(X, y[:3], eps=0.1)
    with pytest.raises(ValueError, match="2 features"):
        network.output_bounds([0.0], [1.0])
    with pytest.raises(ValueError, match="at most its upper end"):
        network.output_bounds([1.0, 1.0], [0.0, 0.0])
