"""Settings, and the plain objects that a config describes."""
