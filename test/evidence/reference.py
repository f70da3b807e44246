"""Figures of the published packages: reads {real, synthetic} as lists of rows, writes each package's figures as JSON."""

import contextlib
import json
import sys

import numpy as np
from cleanfid.fid import frechet_distance as clean_frechet
from prdc import compute_prdc
from sklearn.linear_model import LogisticRegression
from torch_fidelity.metric_fid import fid_statistics_to_metric
from torch_fidelity.metric_kid import kernel_poly, mmd2
from vendi_score import vendi

given = json.load(sys.stdin)
real, synthetic = (np.array(given[name], np.float64) for name in ("real", "synthetic"))
moments = [(rows.mean(0), np.cov(rows, rowvar=False)) for rows in (real, synthetic)]
statistics = [{"mu": mean, "sigma": covariance} for mean, covariance in moments]
fid = fid_statistics_to_metric(*statistics, verbose=False)
polynomial = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
kernel = [kernel_poly(a, b, **polynomial) for a, b in ((real, real), (real, synthetic), (synthetic, synthetic))]

training, labels, scored = (np.array(given["logistic"][name]) for name in ("rows", "isOne", "scored"))
regression = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(training, labels)

with contextlib.redirect_stdout(sys.stderr):  # prdc prints
    figures = {
        "cleanFid": float(clean_frechet(*moments[0], *moments[1])),
        "torchFidelityFid": float(next(iter(fid.values()))),
        "torchFidelityKid": float(mmd2(*kernel)),
        "prdc": {name: float(value) for name, value in compute_prdc(real, synthetic, nearest_k=5).items()},
        "vendi": float(vendi.score_dual(synthetic)),
        "logistic": regression.decision_function(scored).tolist(),
    }

json.dump(figures, sys.stdout)
