"""The page that compares a reproduction with the paper."""

import base64
import dataclasses
import io
import re
from importlib import resources

import numpy as np
import pytest
from PIL import Image

from tests.outline import Outline, check_self_contained
from vaegan_jax.files import atomic
from vaegan_jax.report import comparison_page, figures, tables, walks

TABLE = tables.Table(
  'Attribute similarity',
  'The best of ten.',
  ('Model', 'cosine, paper', 'cosine, ours'),
  [('VAE', '0.9030', '0.934'), ('VAE/GAN', '0.9114', '0.951 ± 0.002')],
)
FIELDS = [f.name for f in dataclasses.fields(comparison_page.Judgement)]


def judgement(verdict, **others):
  return comparison_page.Judgement(
    **dict.fromkeys(FIELDS, '') | {'verdict': verdict} | others
  )


def write(folder, **others):
  pieces = {'title': 'Ours and theirs', 'facts': [('Device', 'abacus')]}
  pieces |= dict.fromkeys(
    ('figures', 'tables', 'judgements', 'walks', 'notes'), ()
  )
  path = comparison_page.write(
    folder / 'new' / 'report.html', **(pieces | others)
  )
  return path.read_text('utf-8')


@pytest.fixture
def picture(tmp_path):
  path = tmp_path / 'figure_3.png'
  figures.save(path, np.zeros((8, 9, 3), np.uint8))
  return comparison_page.Figure(
    path, 'Figure 3', 'Four models.', 'Rows of faces.'
  )


@pytest.fixture
def walk(tmp_path):
  path = tmp_path / 'walk.gif'
  frames = np.zeros((2, 1, 8, 8, 3), np.uint8)
  frames[1] = 200
  walks.save(path, frames, columns=1, seconds=1)
  return comparison_page.Figure(path, 'A walk', '', 'Faces that change.')


def test_the_report_is_one_file_that_fetches_nothing(tmp_path, picture, walk):
  text = write(tmp_path, figures=[picture], walks=[walk], tables=[TABLE])
  check_self_contained(text)
  page = Outline(text)
  kinds = [image['src'].partition(';')[0] for image in page.images]
  assert kinds == ['data:image/png', 'data:image/gif']
  alts = [image['alt'] for image in page.images]
  assert alts == ['Rows of faces.', 'Faces that change.']
  data = base64.b64decode(page.images[1]['src'].partition(',')[2])
  with Image.open(io.BytesIO(data)) as image:
    assert image.n_frames == 2
  names = [path.name for path in (tmp_path / 'new').iterdir()]
  assert names == ['report.html']


def test_the_page_shows_all_content_in_order(tmp_path, picture):
  made = judgement(
    'fails',
    statement='Dis_l is better than pixels.',
    place='section 4.1',
    measure='sharpness',
    threshold='above 1.2',
    value='1.08',
    spread='0.05 over 3 seeds',
    detail='A short run.',
  )
  page = write(
    tmp_path,
    judgements=[made],
    figures=[picture],
    tables=[TABLE],
    notes=['Drawings, not photographs.'],
  )
  text = Outline(page).text()
  order = ['Ours and theirs', 'Device abacus', 'fails']
  order += ['Dis_l is better than pixels. section 4.1 A short run.']
  order += ['sharpness', 'above 1.2', '1.08 ± 0.05 over 3 seeds']
  order += ['Figure 3 Four models.', 'Attribute similarity The best of ten.']
  order += ['VAE/GAN 0.9114 0.951 ± 0.002', 'Drawings, not photographs.']
  places = [text.rindex(piece) for piece in order]
  assert places == sorted(places)


@pytest.mark.parametrize(
  ('verdicts', 'summary'),
  [
    ('holds fails holds', '3 claims ✓ 2 hold ✕ 1 fails ? 0 undecided'),
    ('undecided holds', '2 claims ✓ 1 holds ✕ 0 fail ? 1 undecided'),
    ('fails', '1 claim ✓ 0 hold ✕ 1 fails ? 0 undecided'),
    ('', 'No claim was judged.'),
  ],
)
def test_the_summary_counts_the_verdicts(tmp_path, verdicts, summary):
  made = [judgement(verdict) for verdict in verdicts.split()]
  text = Outline(write(tmp_path, judgements=made)).text()
  assert f'{summary} Device' in text


def test_each_verdict_has_a_word_a_class_and_a_value_without_spread(tmp_path):
  made = [judgement(v, value='0.5') for v in comparison_page.VERDICTS]
  text = write(tmp_path, judgements=made)
  assert text.count('<dd>0.5</dd>') == 3
  marks = re.findall(r'<article class="(\w+)">\s*<p.*</span> (\w+)</p>', text)
  assert marks == [(verdict, verdict) for verdict in comparison_page.VERDICTS]


def test_the_stylesheet_colours_every_verdict():
  templates = resources.files('vaegan_jax.report') / 'templates'
  style = (templates / 'page.css').read_text()
  for verdict in comparison_page.VERDICTS:
    assert style.count(f'--{verdict}: #') == 2  # light and dark
    assert f'.{verdict} {{ --verdict: var(--{verdict}); }}' in style


def test_empty_sections_and_their_links_are_omitted(tmp_path):
  text = write(tmp_path, notes=['One.'])
  for place in ('href="#', 'section id="'):
    assert re.findall(rf'{place}(\w+)"', text) == ['notes']


def test_the_page_names_a_missing_picture(tmp_path, picture):
  picture.path.unlink()
  text = Outline(write(tmp_path, figures=[picture])).text()
  assert 'No figure_3.png in this run.' in text
  assert 'Figure 3' in text


def test_a_table_scrolls_by_mouse_and_by_keyboard(tmp_path):
  text = ' '.join(write(tmp_path, tables=[TABLE]).split())
  scroll = 'class="scroll" role="region" tabindex="0"'
  assert f'{scroll} aria-label="Attribute similarity"> <table>' in text


def test_all_texts_are_escaped(tmp_path, picture):
  evil = '</p><script>alert("1")</script>'
  made = judgement('holds', **dict.fromkeys(set(FIELDS) - {'verdict'}, evil))
  table = tables.Table(evil, evil, (evil,) * 2, [(evil,) * 2])
  image = comparison_page.Figure(picture.path, evil, evil, evil)
  text = write(
    tmp_path,
    title=evil,
    facts=[(evil, evil)],
    figures=[image],
    walks=[image],
    tables=[table],
    judgements=[made],
    notes=[evil],
  )
  page = Outline(text)
  assert 'script' not in page.tags
  # The title twice, facts 2, claim 7, pictures 4, table 6, the note.
  assert page.text().count(evil) == 2 + 2 + 7 + 4 + 6 + 1


def test_a_failed_write_leaves_the_old_report(tmp_path, monkeypatch):
  before = write(tmp_path)

  def fail(*_, **__):
    raise OSError('the disk is full')

  monkeypatch.setattr(atomic.os, 'replace', fail)
  with pytest.raises(OSError, match='the disk is full'):
    write(tmp_path, notes=['One.'])
  folder = tmp_path / 'new'
  assert [path.name for path in folder.iterdir()] == ['report.html']
  assert (folder / 'report.html').read_text('utf-8') == before


def test_an_unknown_verdict_is_refused():
  with pytest.raises(ValueError, match='holds, fails, undecided'):
    judgement('passes')


def test_markdown_has_title_lead_and_cells():
  assert TABLE.markdown() == (
    '## Attribute similarity\n\nThe best of ten.\n\n'
    '| Model | cosine, paper | cosine, ours |\n| :-- | --: | --: |\n'
    '| VAE | 0.9030 | 0.934 |\n| VAE/GAN | 0.9114 | 0.951 ± 0.002 |\n'
  )


def test_markdown_escapes_bars_and_omits_an_empty_lead():
  table = tables.Table('t', '', ('a', 'b'), [('q(z|x)', '1')])
  lines = ['| a | b |', '| :-- | --: |', r'| q(z\|x) | 1 |']
  assert table.markdown().splitlines()[2:] == lines


def test_a_row_of_another_length_than_the_header_is_refused():
  with pytest.raises(ValueError, match=re.escape("('VAE',) of 1 cells")):
    tables.Table('t', '', ('Model', 'FID'), [('GAN', '1'), ('VAE',)])
