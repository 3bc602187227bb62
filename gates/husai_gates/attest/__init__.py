"""Attestations: what is said of a bundle under a signature, as in-toto Statements in DSSE envelopes.

`files` says where they stand, `statements` what they say, `envelope` and `keys` how they are signed, `signing` makes
them and `verification` holds them to the bundle. Nothing here imports cryptography before a key is read.
"""
