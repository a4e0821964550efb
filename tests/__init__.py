"""The tests: the same tree as vaegan_jax, and tests across it."""

import pathlib

ROOT = pathlib.Path(__file__).parents[1]
SHARED = ROOT.parent / 'shared' / 'data'
