"""Atomic writes, checksums and locks."""
