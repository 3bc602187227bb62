"""Models under the dictionary: where activations come from."""
