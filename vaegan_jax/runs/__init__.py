"""What a run keeps in its folder: checkpoints, config and logs."""
