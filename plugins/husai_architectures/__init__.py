"""Families of sparse coders, one file each."""
