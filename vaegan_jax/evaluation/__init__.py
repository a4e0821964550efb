"""Measures of a trained model: how good its images are, what it learned."""
