"""SAEBench: its quantities, and what its result files say."""
