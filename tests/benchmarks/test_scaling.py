"""Plans become a table."""

from benchmarks import scaling
from tests.planning import test_planning
from vaegan_jax.planning import text


def test_a_table_has_a_row_for_each_plan_by_chips():
  plans = [test_planning.made(256), test_planning.made(64)]
  lines = scaling.table([text.row(plan) for plan in plans]).splitlines()
  assert len({line.count('|') for line in lines}) == 1
  assert [line.split(' | ')[:3] for line in lines[2:]] == [
    ['| 4', '64', '16'],
    ['| 4', '256', '64'],
  ]
