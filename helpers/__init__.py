"""Latent Bits: the small package behind the notebooks. Data flows one way through its rooms:

shapes, digits -> models (with layers, convolutions) + objectives -> training (with optimizers,
runs) -> checkpoints -> recipes -> generation / information / limits -> plotting / files.
"""
