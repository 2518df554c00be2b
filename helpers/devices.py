"""Where arrays lie when several devices share the work, by `jax.sharding`; without a mesh (None)
everything stays where it is."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def over(mesh, axes=()):
    """Axis 0 divided over these axes of the mesh; over none: the same on every device."""
    return NamedSharding(mesh, PartitionSpec(axes) if axes else PartitionSpec())


def constrained(tree, mesh, axes=()):
    """The same, with the promise to the compiler that it lies so on the mesh, if there is one."""
    return tree if mesh is None else jax.lax.with_sharding_constraint(tree, over(mesh, axes))


def divided(images, mesh):
    """The images spread over the mesh, where they divide evenly."""
    even = mesh is not None and len(images) % mesh.size == 0
    return constrained(images, mesh, mesh.axis_names) if even else images


def placed(tree, mesh, axes=()):
    """The arrays and keys of a tree put on the mesh, if there is one, from every process alike."""
    if mesh is None:
        return tree

    def put(leaf):
        """A Python number lies nowhere and may stay what it is."""
        if not hasattr(leaf, "dtype"):
            return leaf
        return _as_numbers(lambda data: jax.device_put(np.asarray(data), over(mesh, axes)), leaf)

    return jax.tree.map(put, tree)


def _as_numbers(function, leaf):
    """function of an array, of a key's numbers if it is one: NumPy knows no keys."""
    if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return function(leaf)
    data = function(jax.random.key_data(leaf))
    return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))


def at_home(tree, mesh):
    """What is the same on all devices of the mesh, as arrays that are bound to none of them."""
    if mesh is None:
        return tree

    def fetch(leaf):
        """From this process's first device."""
        return _as_numbers(lambda data: jnp.asarray(np.asarray(data.addressable_data(0))), leaf)

    return jax.tree.map(fetch, tree)


def device_mesh(models):
    """This process's devices, no more than there are models; None for a single one."""
    devices = jax.local_devices()[:models]
    return Mesh(np.array(devices), ("models",)) if len(devices) > 1 else None
