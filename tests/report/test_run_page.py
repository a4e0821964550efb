import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from tests import small
from tests.outline import Outline, check_self_contained
from vaegan_jax.core import metrics
from vaegan_jax.report import figures, page, run_page
from vaegan_jax.runs import records

_WHOLE = small.config().to_dict()
CONFIG = _WHOLE | {
  'model': 'vaegan',
  'conditional': False,
  'steps': 40,
  'batch_size': 64,
  'latent_size': 128,
  'equilibrium': True,
  'equilibrium_centre': 0.68,
  'equilibrium_margin': 0.35,
  'data': _WHOLE['data'] | {'source': 'faces', 'size': [32, 32]},
}
PICTURES = ('reconstructions', 'samples', 'fitted_samples', 'interpolation')


def write_run(workdir, *, config=CONFIG, whole=True):
  workdir.mkdir(exist_ok=True)
  (workdir / 'config.json').write_text(json.dumps(config))
  if not whole:
    return
  folder = workdir / 'figures'
  picture = np.random.default_rng(0).integers(0, 255, (40, 90, 3), np.uint8)
  for name in PICTURES:
    figures.save(folder / f'{name}.png', picture)
  for step in (10, 20, 40):
    for name in ('samples', 'reconstructions'):
      figures.save(folder / f'{name}_{step:08d}.png', picture)
  logged, timing = [], []
  for step in (20, 40):
    row = {'step': step, 'learning_rate': 1e-4}
    row |= dict.fromkeys(('prior', 'llike', 'real', 'generated'), 0.5)
    row |= {'generation': -1.0, 'active_dimensions': 9.0, 'feature_scale': 0.4}
    for name in metrics.NETWORKS:
      row[f'{name}/gradient_norm'] = float(step)
      row[f'{name}/updates'] = step if name == 'encoder' else step // 4
    logged.append(row)
    speed = {'seconds': step / 2, 'images_per_second': 1.0}
    timing.append({'step': step, 'device': 'abacus', **speed})
  for name, rows in ((records.METRICS, logged), (records.TIMING, timing)):
    lines = ''.join(json.dumps(row) + '\n' for row in rows)
    (workdir / name).write_text(lines)


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('run')
  write_run(workdir)
  rows = [
    {'step': 0, 'command': 'python old.py'},
    {'step': 40, 'command': 'python new.py', 'version': '1.2', 'commit': 'abc'},
  ]
  lines = ''.join(json.dumps(row) + '\n' for row in rows)
  (workdir / records.STARTS).write_text(lines)
  return run_page.write(workdir)


def test_the_report_is_one_file_that_fetches_nothing(whole):
  text = whole.read_text()
  assert whole.name == 'report.html'
  check_self_contained(text)
  sources = [image['src'] for image in Outline(text).images]
  assert all(source.startswith('data:image/png') for source in sources)


def test_all_pictures_and_curves_are_in_order_with_alt_texts(whole):
  outline = Outline(whole.read_text())
  starts = ['Rows of held-out', *['Rows of images decoded'] * 2]
  starts += ['A grid of reconstructions', 'A grid of samples']
  starts += ['Rows of images, each changing']
  starts += ['Line chart over steps 20 to 40. '] * 9
  alts = [image['alt'] for image in outline.images]
  assert len(alts) == len(starts)
  for alt, start in zip(alts, starts, strict=True):
    assert alt.startswith(start)
  assert 'No ' not in outline.text()  # nothing is missing


def test_the_report_has_speed_updates_command_and_settings(whole):
  page = whole.read_text()
  text = Outline(page).text()
  assert 'VAE/GAN on cartoon faces, 40 steps' in text
  assert '40 of 40' in text
  assert 'abacus' in text
  assert '128.0' in text  # 64 images a batch, 2 batches a second
  assert 'decoder 10 25.0%' in text
  assert 'encoder.hidden 8' in text
  assert 'data.size (32, 32)' in text
  assert 'Command python new.py Version of vaegan_jax 1.2 Commit abc' in text


def test_the_report_has_the_name_of_its_folder_and_leads_to_its_files(whole):
  page = whole.read_text()
  assert f'report of {whole.parent.name}' in Outline(page).text()
  assert f'<title>{whole.parent.name}: VAE/GAN on cartoon faces' in page
  links = re.findall('<a href="([^#"]+)"', page)
  names = ['config.json', 'metrics.jsonl', 'timing.jsonl', 'starts.jsonl']
  assert links == names
  assert all((whole.parent / link).exists() for link in links)


def test_the_page_of_a_run_that_goes_on_loads_itself_again(whole):
  def refreshes(workdir):
    text = run_page.write(workdir, refresh=7).read_text()
    return 'http-equiv="refresh" content="7"' in text

  assert not refreshes(whole.parent)  # it has ended
  unfinished = whole.parent / 'unfinished'
  write_run(unfinished, whole=False)
  assert refreshes(unfinished)
  assert 'refresh' not in run_page.write(unfinished).read_text()


def test_drawn_pictures_are_kept_in_the_folder(whole):
  names = {path.name for path in (whole.parent / 'figures').iterdir()}
  assert {'development_samples.png', 'curves_prior.png'} <= names


def test_the_page_names_missing_pictures_curves_and_timing(tmp_path):
  write_run(tmp_path, whole=False)
  outline = Outline(run_page.write(tmp_path).read_text())
  assert not outline.images
  for name in PICTURES:
    assert f'No {name}.png in this run.' in outline.text()
  assert 'Nothing was logged for prior.' in outline.text()
  assert 'No timing was logged.' in outline.text()
  assert '0 of 40' in outline.text()


def test_an_incomplete_last_row_is_ignored(tmp_path, caplog):
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"step": 1}\n{"step": 2}\n{"st')
  assert records.read_rows(path) == [{'step': 1}, {'step': 2}]
  assert not caplog.text


def test_all_settings_are_escaped(tmp_path):
  evil = '</title><script>alert("1")</script>'
  config = CONFIG | {
    'data': CONFIG['data'] | {'source': evil, '<b>': '\'"<b>'},
  }
  write_run(tmp_path, config=config, whole=False)
  outline = Outline(run_page.write(tmp_path).read_text())
  assert not {'script', 'b'} & set(outline.tags)
  assert outline.text().count(evil) == 2 + 1  # titles, settings


def test_the_page_names_a_missing_equilibrium_rule(tmp_path):
  config = CONFIG | {'equilibrium': False}
  write_run(tmp_path, config=config, whole=False)
  text = Outline(run_page.write(tmp_path).read_text()).text()
  assert 'every network is updated in every step' in text
  assert 'rule skips' not in text


def test_a_conditional_run_shows_the_attributes_that_were_asked_for(tmp_path):
  config = CONFIG | {'conditional': 'Male,Smiling'}
  write_run(tmp_path, config=config)

  def shown():
    return Outline(run_page.write(tmp_path).read_text()).text()

  assert 'asked for' not in shown()
  asked = json.dumps(['Male, Smiling', 'none'])
  (tmp_path / 'figures' / 'asked.json').write_text(asked)
  assert 'asked for' in shown()
  assert 'Male, Smiling none' in shown()


def test_a_folder_without_a_run_is_refused(tmp_path):
  with pytest.raises(FileNotFoundError, match='not the folder of a run'):
    run_page.write(tmp_path)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize(
  ('arrange', 'count'), [(figures.grid, 1), (figures.reconstructions, 2)]
)
def test_bands_between_images_take_the_colour_of_the_page(
  tmp_path, arrange, count, channels
):
  draw = np.random.default_rng(0)
  images = draw.integers(0, 255, (5, 8, 8, channels), np.uint8)
  images[:, 0] = 255  # white margins of the images are no bands
  picture = figures.clear(arrange, *(images,) * count, columns=3)
  figures.save(tmp_path / 'grid.png', picture)
  source = page.embed(tmp_path / 'grid.png').source
  data = base64.b64decode(source.removeprefix('data:image/png;base64,'))
  shown = np.asarray(Image.open(io.BytesIO(data)))
  expected = arrange(*(images,) * count, columns=3)
  np.testing.assert_array_equal(shown[..., :-1], expected)
  opaque = shown[..., -1] == 255
  scale = -(-96 // 8)  # small images are enlarged
  assert opaque.sum() == count * len(images) * (8 * scale) ** 2
  assert (shown[..., -1][~opaque] == 0).all()


def test_only_pictures_that_fit_show_their_pixels_one_to_one(tmp_path):
  for width, fits in ((page.WIDTH, True), (page.WIDTH + 1, False)):
    path = tmp_path / f'{width}.png'
    figures.save(path, np.zeros((2, width, 3), np.uint8))
    assert page.embed(path).fits == fits
