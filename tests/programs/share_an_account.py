"""The account of a code, shared out over all devices: prints what it found and the seconds."""

import json
import time

import jax
import numpy as np

from helpers.information import bayes_decode, rate_audit

rng = np.random.default_rng(0)
mean, log_variance = rng.normal(size=(4001, 4)), rng.normal(-4, 0.5, (4001, 4))  # shared unevenly


def account():
    return rate_audit(mean, log_variance, key=jax.random.key(1), draws=4)


account()  # compiled
start = time.process_time()
audit = account()
seconds = time.process_time() - start
decoded = bayes_decode(mean, log_variance, np.eye(4001, 3), mean[:7])
found = {name: np.sum(getattr(audit, name)).item() for name in audit._fields[:-1]}
found |= {"decoded": decoded.reconstruction.tolist(), "guess": decoded.most_likely.tolist()}
print(json.dumps({"found": found, "seconds": seconds}))
