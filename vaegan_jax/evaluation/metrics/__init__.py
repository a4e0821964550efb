"""Distances between sets of images, and quality of pairs."""
