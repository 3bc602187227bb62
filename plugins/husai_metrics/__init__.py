"""Metrics: one file per quantity."""
