"""Settings of experiments: one reference, the rest deltas of it."""
