"""Procedural cartoon faces: what a person has, and how it is painted."""
