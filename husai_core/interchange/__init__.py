"""Coders on disk: SAELens's layout, which HUSAI writes, and the checkpoints of other libraries, which it reads."""

from husai_core.interchange.checkpoint import Checkpoint
from husai_core.interchange.reading import Loaded, load_coder, read_checkpoint
from husai_core.interchange.sae_lens import CONFIG_FILE, WEIGHTS_FILE, read_params, saved_files
from husai_core.interchange.weights import read_weights, weights_bytes

__all__ = [
    "CONFIG_FILE",
    "WEIGHTS_FILE",
    "Checkpoint",
    "Loaded",
    "load_coder",
    "read_checkpoint",
    "read_params",
    "read_weights",
    "saved_files",
    "weights_bytes",
]
