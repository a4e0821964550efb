"""Checks types and shapes of every call while tests run."""

import beartype

# As in PEP 484, an int may stand where a float is expected.
check = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
