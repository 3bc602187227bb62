"""One thread: the tests are many small products, and on a busy machine a second one costs more than it brings."""

import os

for library in ("OMP", "MKL"):  # read when torch is imported, which comes later
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
