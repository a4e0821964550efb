"""Launchers: the only place with flags."""
