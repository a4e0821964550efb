"""Convolutions as a CPU likes them: products of matrices in its caches.

The exact sums of convolution.py, in other orders. `winograd` serves wide
layers, `patches` and `phases` narrow ones. docs/performance.md says what each
gains.
"""
