"""One rule for every progress bar: in a terminal or a live notebook, never as debris in a file."""

import os
import sys

from IPython import get_ipython
from IPython.display import display
from tqdm import tqdm


class _LiveLine:
    """Lets tqdm write into one notebook output that is emptied at the end."""

    def __init__(self):
        self.handle = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, text):
        """Show the bar as it is now."""
        self.handle.update({"text/plain": text.strip("\r\n ")}, raw=True)

    def flush(self):
        """tqdm asks every file for it; nothing is held back here."""


def progress_bar(total: int, unit: str, **settings) -> tqdm:
    """A tqdm bar over `total` units, to be used in a `with`.

    Args:
        total: how many units there are.
        unit: what is counted, such as "epoch".
        **settings: further arguments of tqdm.

    Returns:
        The bar; one that shows nothing where LATENT_BITS_PROGRESS=0 or nobody looks.
    """
    in_kernel = getattr(get_ipython(), "kernel", None) is not None
    off = os.environ.get("LATENT_BITS_PROGRESS") == "0" or not (in_kernel or sys.stderr.isatty())
    file = _LiveLine() if in_kernel and not off else sys.stderr
    width = 80 if in_kernel else None
    return tqdm(
        total=total, unit=unit, leave=False, disable=off, file=file, ncols=width, **settings
    )
