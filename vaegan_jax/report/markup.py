"""Pieces of HTML. Text comes in and is escaped here; markup comes out."""

from __future__ import annotations

import base64
import html
import pathlib
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import NewType

from PIL import Image

# A string that may stand in a page as it is.
Markup = NewType('Markup', str)

# Of what the stylesheet's widest page shows beside one another, in CSS pixels.
WIDTH = 1320


def text(words: object) -> Markup:
  """Escapes what is to be read as it stands."""
  return Markup(html.escape(str(words)))


def join(pieces: Iterable[Markup]) -> Markup:
  """Puts pieces one below the other."""
  return Markup('\n'.join(pieces))


def picture(
  path: pathlib.Path, *, alt: str, caption: str = '', density: int = 1
) -> Markup:
  """Embeds a PNG or a GIF.

  Args:
    path: of the picture.
    alt: what it shows, for those who do not see it.
    caption: beside it.
    density: pixels of the picture a CSS pixel.
  """
  with Image.open(path) as image:
    width, height = (side // density for side in image.size)
    kind = Image.MIME[image.format or 'PNG']
  data = base64.b64encode(path.read_bytes()).decode()
  below = f'<figcaption>{text(caption)}</figcaption>' if caption else ''
  fits = ' class="fits"' if width <= WIDTH and density == 1 else ''
  return Markup(
    f'<figure><img{fits} src="data:{kind};base64,{data}" alt="{text(alt)}" '
    f'width="{width}" height="{height}" style="--width: {width}px">'
    f'{below}</figure>'
  )


def division(name: str, pieces: Iterable[Markup]) -> Markup:
  """Groups pieces under a class of the stylesheet."""
  return Markup(f'<div class="{text(name)}">{join(pieces)}</div>')


def missing(what: str) -> Markup:
  """Says in place of a picture that there is none."""
  return Markup(f'<p class="missing">{text(what)}</p>')


def section(
  name: str, *, title: str, lead: str, body: Iterable[Markup]
) -> Markup:
  """Makes a section that `navigation` can lead to by its name."""
  return Markup(
    f'<section id="{text(name)}">\n<h2>{text(title)}</h2>\n'
    f'<p>{text(lead)}</p>\n{join(body)}\n</section>'
  )


def part(*, title: str, lead: str, body: Iterable[Markup]) -> Markup:
  """Makes a part of a section; an empty lead is left out."""
  below = f'<p>{text(lead)}</p>\n' if lead else ''
  return Markup(
    f'<div class="part">\n<h3>{text(title)}</h3>\n{below}{join(body)}\n</div>'
  )


def scroll(piece: Markup, *, label: str) -> Markup:
  """Lets a piece wider than the screen be moved, by hand or by arrow keys."""
  return Markup(
    f'<div class="scroll" role="region" tabindex="0" '
    f'aria-label="{text(label)}">{piece}</div>'
  )


def items(texts: Iterable[str]) -> Markup:
  """Makes a list of paragraphs."""
  return Markup(
    f'<ul>{join(Markup(f"<li>{text(line)}</li>") for line in texts)}</ul>'
  )


def navigation(sections: Iterable[tuple[str, str]]) -> Markup:
  """Links to sections: name and title of each."""
  links = (
    Markup(f'<a href="#{text(name)}">{text(title)}</a>')
    for name, title in sections
  )
  return Markup(f'<nav>{join(links)}</nav>')


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
  """Sets out a few short facts: name and value of each."""
  items = (
    Markup(f'<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>')
    for name, value in pairs
  )
  return Markup(f'<dl class="facts">{join(items)}</dl>')


def table(
  rows: Iterable[Sequence[str]], *, header: Sequence[str] = ()
) -> Markup:
  """Makes a table whose first column names the rows.

  With a header, the other columns hold numbers and stand to the right.
  """
  kind = ' class="number"' if header else ''
  head = ''
  if header:
    cells = f'<th>{text(header[0])}</th>' + ''.join(
      f'<th{kind}>{text(cell)}</th>' for cell in header[1:]
    )
    head = f'<thead><tr>{cells}</tr></thead>'
  body = ''.join(
    f'<tr><th scope="row">{text(name)}</th>'
    + ''.join(f'<td{kind}>{text(cell)}</td>' for cell in cells)
    + '</tr>\n'
    for name, *cells in rows
  )
  return Markup(f'<table>{head}<tbody>\n{body}</tbody></table>')


def tally(total: str, counts: Iterable[tuple[str, str, int, str]]) -> Markup:
  """Sums up verdicts: class, sign, count and word of each, after the total."""
  pieces = (
    Markup(
      f'<li class="{text(name)}"><span class="sign" aria-hidden="true">'
      f'{text(sign)}</span> <strong>{text(number)}</strong> {text(word)}</li>'
    )
    for name, sign, number, word in counts
  )
  first = Markup(f'<li>{text(total)}</li>')
  return Markup(f'<ul class="tally">{join([first, *pieces])}</ul>')


def claim(
  *,
  verdict: str,
  sign: str,
  statement: str,
  place: str,
  measured: Iterable[tuple[str, str]],
  detail: str,
) -> Markup:
  """Sets a claim out with its verdict, which is its class as well.

  Args:
    verdict: a word that says it, whatever one sees of its colour.
    sign: beside the word.
    statement: the claim.
    place: where it is made.
    measured: name and value of each.
    detail: below it, if not empty.
  """
  below = f'<p class="detail">{text(detail)}</p>\n' if detail else ''
  return Markup(
    f'<article class="{text(verdict)}">\n'
    f'<p class="verdict"><span class="sign" aria-hidden="true">{text(sign)}'
    f'</span> {text(verdict)}</p>\n<div>\n<h3>{text(statement)}</h3>\n'
    f'<p class="place">{text(place)}</p>\n{below}</div>\n'
    f'{facts(measured)}\n</article>'
  )


def warning(title: str, pairs: Iterable[tuple[str, str]]) -> Markup:
  """Sets a warning out: name and text of each thing there is to say of it."""
  return Markup(
    f'<article class="warning">\n<h3><span class="sign" aria-hidden="true">!'
    f'</span> {text(title)}</h3>\n{facts(pairs)}\n</article>'
  )


def command(line: str) -> Markup:
  """Shows what to type."""
  return Markup(f'<pre><code>{text(line)}</code></pre>')


def document(
  *, title: str, kicker: str, header: Iterable[Markup], body: Iterable[Markup]
) -> str:
  """Makes the whole page: no script, nothing fetched."""
  style = resources.files(__package__).joinpath('page.css').read_text('utf-8')
  return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{text(title)}</title>
<style>
{style}</style>
</head>
<body>
<header>
<p class="kicker">{text(kicker)}</p>
<h1>{text(title)}</h1>
{join(header)}
</header>
<main>
{join(body)}
</main>
<footer>Written by vaegan_jax; everything shown is in this one file.</footer>
</body>
</html>
"""
