"""The benchmark leaves nobody out in silence, and says what it measured."""

import json

import pytest

from benchmarks import contestants, host, race, results, step, survey, workers


def test_an_unknown_contestant_is_refused_with_the_nearest():
  with pytest.raises(ValueError, match=r"'torhc'.*did you mean torch"):
    contestants.parse(['ours', 'torhc'])


@pytest.mark.parametrize(
  ('sizes', 'batches', 'named'),
  [
    (['60'], ['4'], "--sizes has '60'"),
    (['64'], ['1'], "--batches has '1'"),
    (['64'], ['many'], "--batches has 'many'"),
  ],
)
def test_sizes_that_the_networks_cannot_do_are_refused(sizes, batches, named):
  with pytest.raises(ValueError, match=named):
    step.read_cases(sizes, batches)


def test_what_is_not_installed_is_left_out_and_named():
  names, missing = survey.able(
    [],
    lacks={'jax': [], 'torch': [], 'pythae': ['pythae']},
    platforms={'jax': 'cpu', 'torch': 'cpu'},
  )
  assert names[0] == 'ours'
  assert 'pythae' not in names
  assert [(m.name, m.why) for m in missing] == [
    ('pythae', 'not installed or not working: pythae')
  ]


def test_bfloat16_is_timed_on_a_cpu_only_if_asked_for():
  known = {'lacks': {n: [] for n in ('jax', 'torch', 'pythae')}}
  cpu = dict.fromkeys(('jax', 'torch', 'pythae'), 'cpu')
  gpu = dict.fromkeys(cpu, 'gpu')
  assert 'ours-bf16' not in survey.able([], platforms=cpu, **known)[0]
  assert {'ours-bf16', 'torch-bf16', 'loop'} <= {
    *survey.able([], platforms=gpu, **known)[0]
  }
  assert survey.able(['ours-bf16'], platforms=cpu, **known)[0] == ['ours-bf16']


class Fake:
  """A contestant that takes no time; some fail, at once or in a turn."""

  about = {'flops': 8e9, 'measured_bytes': 4e6}  # noqa: RUF012
  steps = 1

  def __init__(self, worker, name, *, size, batch):
    self.failure = ''
    self._breaks = name == 'pythae'
    if name == 'torch-compile':
      raise host.Failed('no compiler')

  def __call__(self):
    if self._breaks:
      self.failure = 'out of memory'


@pytest.fixture
def fakes(monkeypatch):
  monkeypatch.setattr(workers, 'Runner', Fake)


def test_who_fails_is_reported_and_the_others_go_on(fakes):
  case = race.Case(64, 16)
  timed, missing = race.run(
    ['ours', 'torch-compile', 'pythae', 'torch'],
    case,
    rounds=3,
    shared=False,
    budget=race.Budget(0),
  )
  assert [(t.name, len(t.seconds)) for t in timed] == [
    ('ours', 3),
    ('torch', 3),
  ]
  assert [(m.name, m.why, m.failed) for m in missing] == [
    ('torch-compile', 'no compiler', True),
    ('pythae', 'out of memory', True),
  ]
  reasons = [results.reason(row) for row in results.missing(missing)]
  assert reasons[0] == 'failed: torch-compile (64x64, batch 16): no compiler'


def test_after_the_limit_nothing_is_started_and_all_is_named(fakes):
  budget = race.Budget(1e-9)
  timed, missing = race.run(
    ['ours', 'torch'],
    race.Case(64, 16),
    rounds=3,
    shared=False,
    budget=budget,
  )
  assert not timed
  assert [m.name for m in missing] == ['ours', 'torch']
  assert not any(m.failed for m in missing)


def rows():
  case = race.Case(64, 16)
  timed = [
    race.Timed('ours', case, (2.0, 1.0, 4.0), 1, Fake.about),
    race.Timed('torch', case, (3.0, 3.0, 3.0), 1, {}),
    race.Timed('pythae', case, (5.0,), 1, {}),
  ]
  return results.rows(timed, {'float32': 1e10, 'copy': 1e9})


def test_rows_say_rates_ratios_and_shares_of_the_ceiling():
  ours, torch, pythae = rows()
  assert ours['images_per_second'] == 8
  assert ours['of_matrix_product'] == 0.4
  assert ours['bytes_per_image'] == 250_000
  assert torch['times_ours'] == 1.5
  assert torch['flops'] == ours['flops']
  # Other work, of which we have no count.
  assert 'flops' not in pythae
  assert '1000.0-4000.0' in results.table([ours, torch, pythae])


def test_rows_become_json_and_a_picture(tmp_path):
  from benchmarks import picture

  json.dumps(rows())
  picture.draw(rows(), tmp_path / 'step.png', machine='a machine')
  assert (tmp_path / 'step.png').stat().st_size > 1000


def test_every_contestant_has_a_module_and_a_name_of_its_own():
  for name, contestant in contestants.CONTESTANTS.items():
    assert contestant.name == name
    assert contestant.framework in contestants.FRAMEWORKS
  labels = {c.label for c in contestants.CONTESTANTS.values()}
  assert len(labels) == len(contestants.CONTESTANTS)
