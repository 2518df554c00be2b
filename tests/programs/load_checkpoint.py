"""Load the checkpoint of `fit_vae_or_load`; fails if it would be trained anew."""

import sys

import numpy as np
from small import N
from test_checkpoints import fit_vae_or_load

from helpers import checkpoints

checkpoints.fit_many = None
fit_vae_or_load(sys.argv[1], np.ones((N, 28, 28), np.float32))
