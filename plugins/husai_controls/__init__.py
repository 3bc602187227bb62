"""Controls: coders whose score we know how to expect, one file each."""
