"""Distances between sets of images, quality of pairs, accuracy."""
