"""The paper: networks, losses, Algorithm 1 and its training step."""
