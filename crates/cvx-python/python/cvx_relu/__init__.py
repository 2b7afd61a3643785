"""Two-layer ReLU networks trained by convex optimisation, with a certificate, as scikit-learn estimators.

>>> from cvx_relu import ConvexReLUClassifier
>>> from sklearn.datasets import make_moons
>>> X, y = make_moons(200, noise=0.2, random_state=0)
>>> network = ConvexReLUClassifier().fit(X, y)
>>> network.status_, network.certificate_.relative_gap <= 1e-3
('Optimal', True)
"""

from cvx_relu._classifier import ConvexReLUClassifier
from cvx_relu._file import load
from cvx_relu._path import Path, path
from cvx_relu._regressor import ConvexReLURegressor
from cvx_relu._results import (
    Certificate,
    Certified,
    InterruptedWarning,
    RawWeights,
    TargetCertificate,
    Verification,
)

__all__ = [
    "Certificate",
    "Certified",
    "ConvexReLUClassifier",
    "ConvexReLURegressor",
    "InterruptedWarning",
    "Path",
    "RawWeights",
    "TargetCertificate",
    "Verification",
    "load",
    "path",
]
