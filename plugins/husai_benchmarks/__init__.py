"""Benchmarks: one file per way of measuring a group of subjects."""
