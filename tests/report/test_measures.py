"""Tables of the measures of a run."""

import json

import pytest

from vaegan_jax.report import measures

FOUND = measures.Measures(
  {'step': 1200, 'images': 2000, 'oracle': 'digest'},
  {
    'samples/frechet': 55.25,
    'fitted_prior/frechet': 45.5,
    'reconstructions/frechet': 44.0,
    'reconstructions/psnr': 20.123,
    'similarity/cosine': 0.5,
  },
  {'samples/frechet': 2.5, 'similarity/cosine': 0.9},
)


def test_sets_of_images_stand_side_by_side_with_real_ones():
  sets, others = measures.make(FOUND)
  assert sets.header[:5] == [
    '', 'Prior N(0, I)', 'Fitted prior', 'Reconstructions', 'Real images'
  ]  # fmt: skip
  assert sets.rows == [
    ['Fréchet distance', '55.25', '45.5', '44', '2.5', 'features²', 'lower']
  ]
  assert 'Step 1,200, compared with 2,000 held-out images' in sets.lead
  assert 'predictor of attributes' in sets.lead
  assert [row[1:4] for row in others.rows] == [
    ['20.12', '', 'dB'],
    ['0.5', '0.9', ''],
  ]


def test_features_of_a_random_network_are_named():
  about = {**FOUND.about, 'oracle': None}
  assert 'random weights' in measures.make(FOUND._replace(about=about))[0].lead


def test_a_run_that_was_not_evaluated_has_none(tmp_path):
  assert measures.read(tmp_path) is None


@pytest.mark.parametrize('text', ['', '[]', '{"about": {}}', '3'])
def test_a_damaged_file_is_refused(text, tmp_path):
  (tmp_path / measures.NAME).write_text(text)
  with pytest.raises(ValueError, match=r'evaluation\.json is damaged'):
    measures.read(tmp_path)


def test_a_written_file_is_read(tmp_path):
  text = json.dumps({**FOUND._asdict(), 'ignoring': {}})
  (tmp_path / measures.NAME).write_text(text)
  assert measures.read(tmp_path) == FOUND
