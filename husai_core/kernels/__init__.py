"""Arithmetic on latents of which few are active: what dense tensors would multiply by zero is not multiplied.

These functions need torch and are imported inside the methods that use them. They are differentiable, take an
optional leading seed axis, and give what the dense formulas give (the tests hold them to it in float64).
"""

from husai_core.kernels.encoding import encode_largest, encode_largest_of_batch
from husai_core.kernels.latents import SparseLatents
from husai_core.kernels.pattern import Pattern

__all__ = ["Pattern", "SparseLatents", "encode_largest", "encode_largest_of_batch"]
