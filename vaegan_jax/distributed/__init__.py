"""Devices and processes that train together, and what interrupts them."""
