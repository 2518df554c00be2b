"""Load the checkpoint of `fit_vae_or_load`; fails if it would be trained anew."""

import sys

import numpy as np

from helpers import checkpoints
from tests.small import N
from tests.test_checkpoints import fit_vae_or_load

checkpoints.fit_many = None
fit_vae_or_load(sys.argv[1], np.ones((N, 28, 28), np.float32))
