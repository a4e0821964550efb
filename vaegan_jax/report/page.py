"""Renders jinja2 templates to HTML pages that hold their pictures and style."""

from __future__ import annotations

import base64
import functools
import io
import pathlib
from typing import NamedTuple

import jinja2
import numpy as np
from PIL import Image

from vaegan_jax.files import atomic
from vaegan_jax.report import layout

# CSS pixels across the content of the widest page; see templates/page.css.
WIDTH = 1320


class Picture(NamedTuple):
  """A picture in a page: a data URI, and its size in CSS pixels."""

  source: str
  width: int
  height: int
  fits: bool  # the widest page shows its pixels one to one


def render(template: str, **values: object) -> str:
  """Renders a template with values, which it escapes and must have all."""
  return _environment().get_template(template).render(values)


def write(path: pathlib.Path, text: str) -> pathlib.Path:
  """Writes a page atomically, makes missing folders, and returns its path."""
  path.parent.mkdir(parents=True, exist_ok=True)
  atomic.write_text(path, text)
  return path


def embed(
  path: pathlib.Path, density: int = 1, *, clear: bool = False
) -> Picture | None:
  """Reads a picture for a page.

  Args:
    path: of a PNG or a GIF.
    density: its pixels per CSS pixel.
    clear: whether to make the white bands between images transparent, so that
      they have the colour of the page; the picture is then a PNG.

  Returns:
    the picture; None if there is no file.
  """
  if not path.exists():
    return None
  with Image.open(path) as image:
    width, height = (side // density for side in image.size)
    kind = 'image/png' if clear else Image.MIME[image.format or 'PNG']
    content = _clear(image) if clear else path.read_bytes()
  data = base64.b64encode(content).decode()
  fits = width <= WIDTH and density == 1
  return Picture(f'data:{kind};base64,{data}', width, height, fits)


def _clear(image: Image.Image) -> bytes:
  """Returns a PNG whose white rows and columns are transparent."""
  pixels = np.asarray(image.convert('RGB'))
  white = (pixels == layout.PAPER).all(axis=2)
  bands = white.all(axis=1)[:, None] | white.all(axis=0)
  alpha = np.where(bands, 0, 255).astype(np.uint8)
  file = io.BytesIO()
  Image.fromarray(np.dstack([pixels, alpha])).save(file, 'PNG')
  return file.getvalue()


@functools.cache
def _environment() -> jinja2.Environment:
  environment = jinja2.Environment(
    loader=jinja2.PackageLoader('vaegan_jax.report'),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  environment.globals['embed'] = embed
  return environment
