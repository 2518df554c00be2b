"""Latent Bits: the small package behind the notebooks.

Data flows one way through its rooms:
shapes -> models + objectives -> training -> information / generation -> plotting / results.
"""
