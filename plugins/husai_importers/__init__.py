"""Importers of results that other programs than SAEBench wrote."""
