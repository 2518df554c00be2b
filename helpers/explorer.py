"""A live explorer of a latent space: a slider for every latent, and what their code decodes to."""

import io

import ipywidgets as widgets
import matplotlib.image
import numpy as np
from flax import nnx
from scipy.stats import norm

from .generation import nearest_shape
from .shapes import SHAPES

REACH = 3.0  # of a slider: where the prior has all but 0.3 % of its mass
MAGNIFIED = 8  # screen pixels per pixel


def _png(image):
    large = np.kron(image, np.ones((MAGNIFIED, MAGNIFIED)))
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, large, cmap="gray", vmin=0, vmax=1, format="png")
    return buffer.getvalue()


def describe(image, z) -> str:
    """What the oracle says of a decoded image (28, 28), and log p(z) of its code (L,), nats."""
    nearest = nearest_shape(image[None])
    share = nearest.residual_share[0]
    name = SHAPES[nearest.shape[0]]
    place = f"x {nearest.x[0]:.1f}, y {nearest.y[0]:.1f}, size {nearest.size[0]:.1f} pixels"
    return (
        f"<b>{'valid' if nearest.valid()[0] else 'not valid'}</b><br>nearest shape: {name}<br>"
        f"{place}<br>"
        f"residual share {share:.1%}<br>log p(z) = {float(norm.logpdf(z).sum()):.2f} nats"
    )


class Explorer(widgets.HBox):
    """Sliders for the L latents of a model, the decoded image, and what `describe` says of it.

    model: an AE or a VAE, whose decoder is copied here; images (n, 28, 28): pictures to start from;
    still: an IPython Image, shown instead where no kernel runs, as on GitHub. The sliders reach as
    far as the prior's mass and the codes of the images do.
    """

    def __init__(self, model, images, still):
        self._decode = nnx.clone(model).decode
        self._codes = model.codes(images)
        self._still = still
        reach = max(REACH, float(np.abs(self._codes).max()))
        self.sliders = [
            widgets.FloatSlider(min=-reach, max=reach, step=0.05, description=f"z{i}")
            for i in range(1, self._codes.shape[1] + 1)
        ]
        choices = [("z = 0", None), *((f"picture {n}", n - 1) for n in range(1, len(images) + 1))]
        self.start = widgets.Dropdown(options=choices, value=0, description="start from")
        self.picture, self.words = widgets.Image(format="png"), widgets.HTML()
        super().__init__([self.picture, widgets.VBox([self.start, *self.sliders, self.words])])
        self.start.observe(self._restart, names="value")
        for slider in self.sliders:
            slider.observe(self._show, names="value")
        self._restart()

    def _restart(self, _=None):
        z = (
            np.zeros(len(self.sliders))
            if self.start.value is None
            else self._codes[self.start.value]
        )
        self._moving = True  # several sliders, one picture
        for slider, value in zip(self.sliders, z, strict=True):
            slider.value = float(value)
        self._moving = False
        self._show()

    def _show(self, _=None):
        if self._moving:
            return
        z = np.array([slider.value for slider in self.sliders], np.float32)
        image = self._decode(z[None])[0]
        self.picture.value = _png(image)  # first: the judgement takes longer
        self.words.value = describe(image, z)

    def _repr_mimebundle_(self, **_):
        still, about = self._still._repr_mimebundle_()
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        words = f"An explorer of {len(self.sliders)} latents"
        shown = still | {"application/vnd.jupyter.widget-view+json": view, "text/plain": words}
        return shown, about  # with the still's alternative text

    _ipython_display_ = None  # of ipywidgets 7, which would show itself without the still
