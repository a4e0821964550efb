"""Renders jinja2 templates to HTML pages that hold their pictures and style."""

from __future__ import annotations

import base64
import functools
import pathlib
from typing import NamedTuple

import jinja2
from PIL import Image

from vaegan_jax.files import atomic

# CSS pixels across the content of the widest page; see templates/page.css.
WIDTH = 1320


class Picture(NamedTuple):
  """A picture as a page embeds it, its size in CSS pixels.

  Attributes:
    source: a data URI.
    width: of the picture.
    height: of the picture.
    fits: whether the widest page shows its pixels one to one.
  """

  source: str
  width: int
  height: int
  fits: bool


def render(template: str, **values: object) -> str:
  """Renders a template; values are escaped.

  Raises:
    jinja2.UndefinedError: a value that the template needs is missing.
  """
  return _environment().get_template(template).render(values)


def write(path: pathlib.Path, text: str) -> pathlib.Path:
  """Writes a page atomically, makes missing folders, and returns its path."""
  path.parent.mkdir(parents=True, exist_ok=True)
  atomic.write_text(path, text)
  return path


def embed(path: pathlib.Path, density: int = 1) -> Picture | None:
  """Reads a PNG or a GIF for embedding; returns None if there is no file.

  Args:
    path: of the picture.
    density: pixels of the picture per CSS pixel.
  """
  if not path.exists():
    return None
  with Image.open(path) as image:
    width, height = (side // density for side in image.size)
    kind = Image.MIME[image.format or 'PNG']
  data = base64.b64encode(path.read_bytes()).decode()
  fits = width <= WIDTH and density == 1
  return Picture(f'data:{kind};base64,{data}', width, height, fits)


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
