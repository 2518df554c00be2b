"""Uses latent_bits as installed by pip, in a folder of the reader's own."""

import importlib
import pkgutil
from importlib.util import find_spec
from pathlib import Path

import jax
import latent_bits
from latent_bits.files import record
from latent_bits.generation import nearest_shape, validity
from latent_bits.information import textbook_rate
from latent_bits.shapes import random_shapes

assert [name for name in ("helpers", "tools", "tests") if find_spec(name)] == []
for room in pkgutil.iter_modules(latent_bits.__path__):
    importlib.import_module(f"latent_bits.{room.name}")
images, _ = random_shapes(jax.random.key(0), 4)
latent_bits.environment.prepare()
assert validity(nearest_shape(images)) == 1
record("here", bits=float(textbook_rate(15.0, 1.0)))
assert Path("figures/here.json").exists()
