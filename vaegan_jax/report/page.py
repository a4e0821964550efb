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


def embed(path: pathlib.Path, density: int = 1) -> Picture | None:
  """Reads a picture for a page.

  Args:
    path: of a PNG or a GIF.
    density: its pixels per CSS pixel.

  Returns:
    the picture; None if there is no file.
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
