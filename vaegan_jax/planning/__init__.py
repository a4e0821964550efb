"""The memory and the least time of a run on TPUs, before one is rented."""
