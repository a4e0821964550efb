"""Convolutions as matrix products that fit the caches of a CPU.

They compute the sums of convolution.py exactly, in other orders: `winograd` for
wide layers, `patches` and `phases` for narrow ones. docs/performance.md states
the gain of each.
"""
