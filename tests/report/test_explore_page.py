"""The Explore page computes what JAX computes, and does what it offers."""

import functools
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import vaegan_jax
from tests import browser as browsers
from tests import small
from tests.outline import Outline
from vaegan_jax import inference
from vaegan_jax.config import build
from vaegan_jax.core import gaussian
from vaegan_jax.data import cache
from vaegan_jax.report import explore_page
from vaegan_jax.runs import exports

LATENT = 5
SETTINGS = {'model': 'vaegan', 'conditional': '', 'data.source': 'faces'}
# Channels that fill no block of 8; maps narrower and wider than 4 pixels.
KINDS = {
  'colour': {'shape': (16, 16, 3), 'channels': (4,)},
  'grey': {'shape': (24, 40, 1), 'channels': (9, 16, 5)},
  'conditional': {'shape': (16, 8, 3), 'channels': (6,), 'attributes': 2},
  'gan': {'shape': (16, 16, 3), 'channels': (8,), 'model': 'gan'},
}
# Activations are too large to compare.
SCORES = {
  'shape': (16, 16, 3),
  'channels': (6,),
  'attributes': 3,
  'limits': [[-58.0, 164.0], [0.0, 0.02], [-3.4e38, 3.4e38]],
}


def make_model(kind):
  """Returns a model with random variables, and images for it."""
  options = dict(SCORES if kind == 'scores' else KINDS[kind])
  shape, channels = options.pop('shape'), options.pop('channels')
  count = options.pop('attributes', 0)
  limits = options.pop('limits', [[0.0, 1.0]] * count) or None
  names = tuple(f'Trait_{i}' for i in range(count))
  config = small.config(
    conditional=','.join(names),
    latent_size=LATENT,
    encoder__channels=channels,
    encoder__hidden=11,
    decoder__channels=(7, *channels[::-1]),
    data__source='folder',
    data__size=shape[:2],
    data__channels=shape[2],
    **options,
  )
  networks = build.networks(config)
  draw = np.random.default_rng(0)
  variables = {
    name: jax.tree_util.tree_map_with_path(
      lambda path, x: randomise(draw, path[-1].key, x.shape),
      initial(network, inputs, count),
    )
    for name, network, inputs in (
      ('encoder', networks.encoder, shape),
      ('decoder', networks.decoder, (LATENT,)),
    )
    if network is not None
  }
  images = draw.integers(0, 256, (6, *shape), np.uint8)
  model = inference.Model(exports.Export(config, variables, 1234, limits))
  attributes = None
  if limits:
    least, most = np.clip(limits, -50, 150).T
    attributes = draw.uniform(least, most, (6, count)).astype(np.float32)
  if model.encodes:
    root = draw.normal(size=(LATENT, LATENT))
    model.fitted_prior = gaussian.Gaussian(
      draw.normal(size=LATENT), root @ root.T
    )
    if not count:
      vector = draw.normal(size=LATENT).astype(np.float32)
      model.attribute_vectors = {'Wide_Smile': vector}
  return model, cache.Dataset(
    images, attributes, names, 'noise', 'test', digest=''
  )


def initial(network, inputs, count):
  """Returns the shapes of a network's variables."""
  arrays = [jnp.zeros((1, *inputs))] + [jnp.zeros((1, count))] * (count > 0)
  make = functools.partial(network.init, train=False)
  return jax.eval_shape(make, jax.random.key(0), *arrays)


def randomise(draw, name, shape):
  """Returns values that keep activations near 1, unlike initial ones."""
  if name == 'kernel':
    return draw.normal(0, (2 / np.prod(shape[:-1])) ** 0.5, shape).astype('f')
  if name in ('scale', 'var'):
    return draw.uniform(0.5, 2, shape).astype('f')
  return draw.normal(0, 0.3, shape).astype('f')


@pytest.fixture(scope='module')
def browser():
  with browsers.launch() as browser:
    yield browser


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  """The model, the images and the page of each kind."""
  folder = tmp_path_factory.mktemp('explore')
  found = {}

  def make(kind):
    if kind not in found:
      model, held_out = make_model(kind)
      path = folder / f'{kind}.html'
      explore_page.write(path, model, SETTINGS, held_out=held_out)
      found[kind] = model, held_out, path
    return found[kind]

  return make


@pytest.fixture
def open_page(browser, made):
  """Opens the page of a kind; no page may fail or ask for anything."""
  opened = []

  def open_kind(kind='colour', **options):
    opened.append(browsers.Explorer(browser, made(kind)[2], **options))
    return opened[-1]

  yield open_kind
  for explorer in opened:
    assert explorer.errors == []
    assert all(url.startswith(('file:', 'blob:')) for url in explorer.requests)
    explorer.page.close()


def rgb(pixels):
  return np.broadcast_to(pixels, (*pixels.shape[:-1], 3)).ravel()


def assert_shows(explorer, model, code, attributes=None):
  """Asserts that the picture is that of a code, within a level of 255."""
  codes = np.asarray(code, np.float32)[None]
  rows = None if attributes is None else attributes[None]
  expected = rgb(model.decode(codes, rows)[0]).astype(int)
  assert expected.std() > 10  # no flat picture
  assert np.abs(np.array(explorer.picture()) - expected).max() <= 1


@pytest.mark.parametrize('kind', KINDS)
def test_it_decodes_as_jax_does_within_a_level(kind, made, open_page):
  model, held_out, _ = made(kind)
  explorer = open_page(kind)
  attributes = held_out.attributes
  codes = 2 * np.random.default_rng(1).normal(size=(6, LATENT)).astype('f')
  computed = explorer.page.evaluate(
    """async ([codes, rows]) => {
      const results = codes.map((code, i) =>
        decode(Float32Array.from(code), Float32Array.from(rows?.[i] ?? [])));
      return (await Promise.all(results)).map((pixels) => [...pixels]);
    }""",
    [codes.tolist(), None if attributes is None else attributes.tolist()],
  )
  expected = model.decode(codes, attributes).reshape(6, -1).astype(int)
  assert expected.std() > 10
  assert np.abs(np.array(computed) - expected).max() <= 1


@pytest.mark.parametrize('kind', ['colour', 'grey', 'conditional'])
def test_it_encodes_as_jax_does(kind, made, open_page):
  model, held_out, _ = made(kind)
  computed = open_page(kind).page.evaluate(
    """async (count) => {
      const codes = [];
      for (let i = 0; i < count; i++) {
        codes.push([...await encode(pixelsOf(i), conditionOf(i))]);
      }
      return codes;
    }""",
    len(held_out.images),
  )
  expected = model.encode(held_out.images, held_out.attributes)
  assert expected.std() > 0.1
  np.testing.assert_allclose(computed, expected, atol=5e-3)


@pytest.mark.parametrize('kind', ['colour', 'grey', 'conditional'])
def test_it_starts_from_the_first_held_out_image(kind, made, open_page):
  model, held_out, _ = made(kind)
  rows = held_out.attributes
  code = model.encode(held_out.images, rows)[0]
  attributes = None if rows is None else rows[0]
  assert_shows(open_page(kind), model, code, attributes)


def test_sliders_add_vectors_and_delete_sets_them_back(made, open_page):
  model, held_out, _ = made('colour')
  explorer = open_page()
  code = model.encode(held_out.images)[0]
  explorer.page.get_by_role('slider', name='Wide Smile').focus()
  for _ in range(5):
    explorer.page.keyboard.press('ArrowRight')
  explorer.settle()
  changed = code + 0.25 * model.attribute_vectors['Wide_Smile']
  assert_shows(explorer, model, changed)
  assert explorer.hash() == '#from=image.0&a.Wide_Smile=0.25'
  label = explorer.page.locator('#picture').get_attribute('aria-label')
  assert label == 'Held-out image 1, Wide Smile 0.25'
  explorer.page.keyboard.press('Delete')
  explorer.settle()
  assert_shows(explorer, model, code)
  explorer.page.keyboard.press('End')
  explorer.page.get_by_role('button', name='Reset sliders').press('Enter')
  explorer.settle()
  assert_shows(explorer, model, code)


def test_directions_are_the_leading_axes_of_the_prior(made, open_page):
  model, held_out, _ = made('colour')
  explorer = open_page()
  slider = explorer.page.get_by_role('slider', name='Direction 1')
  slider.fill('2')
  explorer.settle()
  variances, axes = np.linalg.eigh(model.fitted_prior.covariance)
  axis = axes[:, -1] * np.sign(axes[np.abs(axes[:, -1]).argmax(), -1])
  code = model.encode(held_out.images)[0] + 2 * variances[-1] ** 0.5 * axis
  assert_shows(explorer, model, code)
  share = variances[-1] / variances.sum()
  assert f'{share:.1%}'.replace('%', ' %') in explorer.page.inner_text(
    '#directions .slider >> nth=0'
  )


def test_the_way_leads_from_one_image_to_another(made, open_page):
  model, held_out, _ = made('colour')
  explorer = open_page()
  page = explorer.page
  assert page.locator('#way').is_hidden()
  page.get_by_role('radio', name='To').press('Space')
  page.get_by_role('button', name='Held-out image 3').press('Enter')
  page.locator('#way').fill('0.25')
  explorer.settle()
  codes = model.encode(held_out.images)
  assert_shows(explorer, model, 0.75 * codes[0] + 0.25 * codes[2])
  page.get_by_role('button', name='Clear').click()
  explorer.settle()
  assert_shows(explorer, model, codes[0])


@pytest.mark.parametrize('kind', ['colour', 'conditional', 'gan'])
def test_a_link_restores_starts_and_sliders(kind, open_page):
  explorer = open_page(kind)
  page = explorer.page
  page.get_by_role('button', name='New sample').click()
  page.get_by_role('radio', name='To').press('Space')
  page.get_by_role('button', name='New sample').click()
  explorer.settle()
  for slider in page.locator('.sliders input').all()[:3]:
    slider.press('ArrowRight')
  page.locator('#way').fill('0.3')
  explorer.settle()
  again = open_page(kind, link=explorer.hash())
  assert again.picture() == explorer.picture()
  assert again.hash() == explorer.hash()


def test_sliders_of_scores_have_the_limits_of_the_scores(made, open_page):
  _, held_out, _ = made('scores')
  explorer = open_page('scores')
  page, first = explorer.page, held_out.attributes[0]
  for i, width in enumerate((222, 0.02, 250)):
    slider = page.get_by_role('slider', name=f'Trait {i}')
    assert float(slider.input_value()) == pytest.approx(
      first[i], abs=width / 200
    )
    slider.press('ArrowRight')
    moved = float(slider.input_value()) - first[i]
    assert 0 < moved < width / 50
  # The third takes any value: the slider reaches those of the images.
  assert slider.get_attribute('max') == str(
    float(max(10, held_out.attributes[:, 2].max()))
  )
  explorer.settle()
  again = open_page('scores', link=explorer.hash())
  assert again.picture() == explorer.picture()
  assert again.hash() == explorer.hash()


def test_a_linked_sample_is_decoded_with_the_linked_conditions(open_page):
  explorer = open_page('conditional')
  page = explorer.page
  page.get_by_role('button', name='New sample').click()
  explorer.settle()
  page.get_by_role('slider', name='Trait 0').fill('1')
  page.get_by_role('button', name='New sample').click()
  explorer.settle()
  shown = '[...state.from.pixels]'
  again = open_page('conditional', link=explorer.hash())
  assert again.page.evaluate(shown) == page.evaluate(shown)


def test_a_wrong_link_is_named_and_the_first_start_shown(made, open_page):
  model, held_out, _ = made('colour')
  explorer = open_page()
  code = model.encode(held_out.images)[0]
  slider = explorer.page.get_by_role('slider', name='Direction 1')
  for start in ('image.99', 'sample.x', 'code.AAAA', 'code.=', 'nothing'):
    explorer.page.evaluate(
      'link => { location.hash = link; }', f'from={start}&d.1=99&d.2=x'
    )
    explorer.page.get_by_text(f'The link starts from {start}').wait_for()
    assert slider.input_value() == '3'
    slider.press('Delete')
    explorer.settle()
    assert explorer.page.locator('#problem').is_hidden()
    assert_shows(explorer, model, code)


def test_samples_have_the_distribution_of_the_fitted_prior(made, open_page):
  prior = made('colour')[0].fitted_prior
  samples = open_page().page.evaluate(
    '() => Array.from({length: 4000}, (_, seed) => [...sampleCode(seed)])'
  )
  root = np.linalg.cholesky(prior.covariance)
  white = np.linalg.solve(root, (np.array(samples) - prior.mean).T)
  assert np.abs(white.mean(axis=1)).max() < 0.1
  assert np.abs(np.cov(white) - np.eye(LATENT)).max() < 0.1


def test_samples_of_a_gan_are_standard_normal(open_page):
  samples = open_page('gan').page.evaluate(
    '() => Array.from({length: 4000}, (_, seed) => [...sampleCode(seed)])'
  )
  assert np.abs(np.mean(samples, axis=0)).max() < 0.1
  assert np.abs(np.cov(samples, rowvar=False) - np.eye(LATENT)).max() < 0.1


@pytest.mark.parametrize('kind', ['colour', 'grey'])
def test_a_picture_of_ones_own_is_cropped_and_encoded(kind, made, open_page):
  model, _, _ = made(kind)
  height, width, _ = model.image_shape
  draw = np.random.default_rng(2)
  tiles = draw.integers(0, 256, (height, width * 2, 3), np.uint8)
  picture = Image.fromarray(tiles)
  file = io.BytesIO()
  picture.save(file, 'png')
  explorer = open_page(kind)
  page = explorer.page
  with page.expect_file_chooser() as chooser:
    page.get_by_role('button', name='Your picture').click()
  chooser.value.set_files(
    {'name': 'me.png', 'mimeType': 'image/png', 'buffer': file.getvalue()}
  )
  frame = page.locator('#frame')
  frame.wait_for()
  for _ in range(30):  # to the left end
    frame.press('ArrowRight')
  page.get_by_role('button', name='Use this crop').click()
  explorer.settle()
  left = picture.crop((0, 0, width, height))
  pixels = np.asarray(left.convert('L' if kind == 'grey' else 'RGB'))
  pixels = pixels.reshape(1, *model.image_shape)
  assert_shows(explorer, model, model.encode(pixels)[0])
  assert page.locator('#from .name').inner_text() == 'Your picture'
  # The link has the code.
  assert open_page(kind, link=explorer.hash()).picture() == explorer.picture()


@pytest.mark.parametrize('ends', ['Enter', 'Cancel'])
def test_enter_in_the_zoom_uses_the_crop_and_cancel_does_not(ends, open_page):
  explorer = open_page()
  page = explorer.page
  file = io.BytesIO()
  Image.new('RGB', (40, 30)).save(file, 'png')
  page.locator('#file').set_input_files(
    {'name': 'me.png', 'mimeType': 'image/png', 'buffer': file.getvalue()}
  )
  page.locator('#frame').wait_for()
  if ends == 'Enter':
    page.locator('#zoom').press('Enter')
  else:
    page.get_by_role('button', name='Cancel').click()
  explorer.settle()
  name = 'Your picture' if ends == 'Enter' else 'Held-out image 1'
  assert page.locator('#from .name').inner_text() == name


def test_a_file_that_is_no_picture_is_named(open_page):
  explorer = open_page()
  explorer.page.locator('#file').set_input_files(
    {'name': 'notes.txt', 'mimeType': 'text/plain', 'buffer': b'x'}
  )
  alert = explorer.page.get_by_role('alert')
  alert.wait_for()
  assert 'notes.txt is no image' in alert.inner_text()


def test_the_download_is_the_picture(made, open_page):
  explorer = open_page()
  with explorer.page.expect_download() as download:
    explorer.page.get_by_role('button', name='Download PNG').click()
  image = Image.open(download.value.path()).convert('RGB')
  assert image.size == (16, 16)
  assert np.asarray(image).ravel().tolist() == explorer.picture()


@pytest.mark.parametrize('kind', ['colour', 'grey'])
def test_it_fits_a_phone_and_keeps_the_picture_in_view(kind, open_page):
  page = open_page(kind, viewport={'width': 360, 'height': 640}).page
  root = page.evaluate('document.documentElement.scrollWidth')
  assert root <= 360
  page.get_by_role('slider', name='Direction 5').scroll_into_view_if_needed()
  picture = page.locator('#picture').bounding_box()
  assert picture['y'] >= 0
  assert picture['y'] + picture['height'] < 320
  assert abs(picture['width'] / picture['height'] - 1) < 0.01 or kind == 'grey'


def test_the_tab_key_reaches_all_controls(open_page):
  page = open_page().page
  reached = []
  for _ in range(24):
    page.keyboard.press('Tab')
    reached.append(
      page.evaluate(
        'document.activeElement.id || document.activeElement.ariaLabel'
        ' || document.activeElement.value'
      )
    )
  start = ['reset', 'download', 'link', 'from', 'sample', 'choose']
  images = [f'Held-out image {i + 1}' for i in range(6)]
  sliders = [f'slider-d.{i + 1}' for i in range(LATENT)]
  expected = [*start, *images, 'slider-a.Wide_Smile', *sliders]
  assert reached[: len(expected)] == expected


def test_it_follows_the_dark_mode(open_page):
  colours = [
    open_page(color_scheme=scheme).page.evaluate(
      'getComputedStyle(document.body).backgroundColor'
    )
    for scheme in ('light', 'dark')
  ]
  assert colours == ['rgb(255, 255, 255)', 'rgb(20, 23, 28)']


def test_a_code_that_overflows_is_an_error_and_no_black_picture(open_page):
  explorer = open_page()
  explorer.page.evaluate('state.from.code.fill(1e38); show()')
  alert = explorer.page.get_by_role('alert')
  alert.wait_for()
  assert 'NaN or infinity' in alert.inner_text()


def test_a_model_too_large_for_a_page_names_the_python_call(made, tmp_path):
  model, held_out, _ = made('colour')
  path = explore_page.write(
    tmp_path / 'explore.html', model, SETTINGS, held_out=held_out, limit=1000
  )
  outline = Outline(path.read_text())
  assert 'This model is too large for a page' in outline.text()
  assert "vaegan_jax.load('FOLDER', step=" in outline.text()
  assert 'script' not in outline.tags


def test_pages_made_to_be_shared_hold_no_private_images(made, tmp_path):
  faces, private = SETTINGS, SETTINGS | {'data.source': 'celeba'}
  assert explore_page.shows_images(private, shared=False)
  assert explore_page.shows_images(faces, shared=True)
  assert not explore_page.shows_images(private, shared=True)
  model, held_out, _ = made('colour')
  notes = {
    'so this file has none': None,
    'share it only if they may be shared': held_out,
  }
  for note, images in notes.items():
    path = tmp_path / 'explore.html'
    text = explore_page.write(path, model, private, held_out=images).read_text()
    assert note in text
    assert ('"images": null' in text) == (images is None)


@pytest.mark.slow
def test_the_shipped_model_is_explored_within_a_level(browser, tmp_path):
  model = vaegan_jax.pretrained('faces64')
  path = explore_page.write(
    tmp_path / 'explore.html', model, SETTINGS, held_out=None
  )
  explorer = browsers.Explorer(browser, path)
  codes = model.sample_prior(16, prior=model.fitted_prior)
  images = model.decode(codes)
  made, again = explorer.page.evaluate(
    """async ([codes, images]) => [
      await Promise.all(codes.map(async (code) =>
        [...await decode(Float32Array.from(code))])),
      await Promise.all(images.map(async (pixels) =>
        [...await encode(Uint8Array.from(pixels))])),
    ]""",
    [codes.tolist(), images.reshape(16, -1).tolist()],
  )
  difference = np.abs(np.array(made) - images.reshape(16, -1).astype(int))
  assert difference.max() <= 1
  np.testing.assert_allclose(again, model.encode(images), atol=1e-4)
