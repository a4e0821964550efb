"""Reads and prepares the image files of a data set."""
