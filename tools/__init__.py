"""What the Makefile calls: commands, pairs of notebooks, README's tables, sweeps, the site.

No notebook imports it.
"""
