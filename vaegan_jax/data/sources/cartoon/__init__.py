"""Procedural cartoon faces: their attributes, and how they are painted."""
