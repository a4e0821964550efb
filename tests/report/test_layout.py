import numpy as np
import pytest

from vaegan_jax.report import layout


def sheet(height, width, level=0):
  return np.full((height, width, 3), level, np.uint8)


def inked(picture):
  """Returns the columns and the rows of a picture that hold ink."""
  dark = (picture < 200).any(-1)
  return np.flatnonzero(dark.any(0)), np.flatnonzero(dark.any(1))


def test_pictures_stack_horizontally_with_their_gaps():
  pictures = [sheet(4, 3, 10), sheet(2, 5, 20), sheet(4, 1, 30)]
  whole = layout.hstack(pictures, gap=[2, 7])
  assert whole.shape == (4, 3 + 2 + 5 + 7 + 1, 3)
  expected = [10] * 3 + [255] * 2 + [20] * 5 + [255] * 7 + [30]
  assert whole[1, :, 0].tolist() == expected
  assert (whole[2:, 5:10] == 255).all()


def test_pictures_stack_vertically_at_the_left():
  whole = layout.vstack([sheet(2, 6, 10), sheet(1, 4, 20)], gap=3)
  assert whole.shape == (6, 6, 3)
  assert whole[:, 0, 0].tolist() == [10] * 2 + [255] * 3 + [20]
  assert (whole[5, 4:] == 255).all()


def test_labels_have_one_width_and_the_heights_of_their_pictures():
  rows = [('a', 50), ('much longer', 80), ('in two\nlines', 60)]
  labelled = layout.with_labels(
    [(text, sheet(height, 9)) for text, height in rows], size=14
  )
  assert all((picture[:, -9:] == 0).all() for picture in labelled)
  labels = [picture[:, :-9] for picture in labelled]
  assert [len(label) for label in labels] == [50, 80, 60]
  assert len({label.shape[1] for label in labels}) == 1
  columns, _ = inked(labels[1])
  assert columns[0] < 14  # not cut off, with a narrow margin
  assert all(inked(label)[0][-1] < label.shape[1] - 4 for label in labels)
  heights = [np.ptp(inked(label)[1]) for label in labels]
  assert heights[2] > 1.5 * heights[1]


@pytest.mark.parametrize('slanted', [False, True])
def test_a_heading_is_centred_on_its_picture_or_starts_at_its_middle(slanted):
  widths = (40, 90, 60)
  for at, width in enumerate(widths):
    texts = ['', ' ', '  ']
    texts[at] = 'Word'
    pictures = {
      t: sheet(20, w, 255) for t, w in zip(texts, widths, strict=True)
    }
    whole = layout.with_headings(pictures, gap=10, size=14, slanted=slanted)
    columns, _ = inked(whole)
    middle = sum(widths[:at]) + 10 * at + width // 2
    place = columns[0] if slanted else (columns[0] + columns[-1]) / 2
    assert place == pytest.approx(middle, abs=5)


def test_a_long_slanted_heading_is_complete_and_rises_at_45_degrees():
  words = 'A very long heading'
  narrow = layout.with_headings(
    {words: sheet(9, 20, 255)}, gap=4, size=14, slanted=True
  )
  columns, rows = inked(narrow)
  assert columns[-1] < narrow.shape[1] - 1
  assert rows[0] > 0
  assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=6)


def test_overlapping_headings_stay_visible():
  texts = ('Bushy Eyebrows', 'Bushy Eyebrows ')
  together = layout.with_headings(
    {text: sheet(9, 24, 255) for text in texts}, gap=0, size=14, slanted=True
  )
  alone = layout.with_headings(
    {texts[0]: sheet(9, 24, 255)}, gap=0, size=14, slanted=True
  )
  part = together[-len(alone) :, : alone.shape[1]]
  assert (part <= alone).all()


def test_headings_leave_their_pictures_unchanged():
  rng = np.random.default_rng(0)
  pictures = {
    name: rng.integers(0, 255, (20, 30, 1), np.uint8) for name in 'abc'
  }
  whole = layout.with_headings(pictures, gap=6, size=14)
  assert whole.shape[1:] == (102, 1)
  for i, picture in enumerate(pictures.values()):
    np.testing.assert_array_equal(whole[-20:, 36 * i : 36 * i + 30], picture)


def test_headings_beyond_ascii_are_no_boxes():
  picture = np.zeros((8, 200, 1), np.uint8)
  drawn = [
    layout.with_headings({text: picture}, gap=0, size=14)
    for text in ('приз', 'πρίζ', 'märz', '\U0010fffd' * 4)
  ]
  assert len({x.tobytes() for x in drawn}) == len(drawn)
