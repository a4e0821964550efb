"""Side-by-side timings of the training step and of what surrounds it."""
