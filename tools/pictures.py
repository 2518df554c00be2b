"""The first page's picture: `python -m tools.pictures` writes figures/front_page.png."""

import jax
import numpy as np
from matplotlib.figure import Figure

from helpers.files import recorded, save_figure
from helpers.generation import nearest_shape, sample_prior
from helpers.plotting import image_rows, use_style
from helpers.shapes import shape_world
from tools.site import headline_models

SHOWN = 8  # pictures in a row


def front_page(world, models) -> Figure:
    """Images of the world, and what the AE and the VAE decode from the same draws of N(0, I).

    Neither images nor draws are chosen. Beside each row stands how many bits a code keeps of an
    image (the AE's with the least noise of notebook 04), and which share of many draws is valid.

    Args:
        world: a `ShapeWorld`.
        models: (model, its codes) by name, "AE" and "VAE", as `headline_models` gives them.

    Raises:
        FileNotFoundError, KeyError: a notebook has not recorded its numbers yet.
    """
    found = {"AE": recorded("02_autoencoder"), "VAE": recorded("03_variational_autoencoder")}
    bits = recorded("04_latent_information")
    kept = {"AE": bits["ae_mutual_information_bits"][0], "VAE": bits["vae_mutual_information_bits"]}
    some = np.random.default_rng(0).choice(len(world.images), SHOWN, replace=False)
    label = f"the world:\n{len(world.images):,} images,\n{bits['source_entropy_bits']:g} bits each"
    rows, valid = {label: world.images[some]}, {}
    for name, (model, _) in models.items():
        share = 100 * found[name][f"{name.lower()}_prior_validity"]
        label = f"drawn by the {name}:\n{share:.0f} % valid,"
        label += f"\ncodes keep\n{kept[name]:.1f} bits"
        rows[label] = np.clip(sample_prior(model, jax.random.key(0), SHOWN), 0, 1)
        valid[label] = nearest_shape(rows[label]).valid()
    return image_rows(rows, valid=valid)


if __name__ == "__main__":
    use_style()
    world = shape_world()
    save_figure(front_page(world, headline_models(world)), "front_page")
