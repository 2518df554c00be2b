"""Latent Bits: the small package behind the notebooks. Data flows one way through its rooms:

shapes, digits -> models + objectives -> training -> checkpoints -> recipes -> generation /
information / limits -> plotting / files.
"""
