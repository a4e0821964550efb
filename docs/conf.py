"""Settings of the site: Sphinx, MyST notebooks, the theme furo.

`make docs` builds it, without a network: formulas become MathML, and there is
no intersphinx.
"""

import os
import pathlib
import re
import sys

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import vaegan_jax  # noqa: E402

project = 'vaegan_jax'
author = 'The vaegan_jax authors'
project_copyright = f'2026, {author}'
version = release = vaegan_jax.__version__

extensions = [
  'myst_nb',
  'sphinx.ext.autodoc',
  'sphinx.ext.napoleon',
  'sphinx.ext.viewcode',
  'sphinx_copybutton',
]
exclude_patterns = ['requirements.txt']
html_theme = 'furo'
html_title = 'vaegan_jax'
html_static_path = ['static']
html_css_files = ['site.css']
html_math_renderer = 'mathml'
html_show_sourcelink = False

myst_enable_extensions = ['dollarmath']
myst_heading_anchors = 4

nb_execution_mode = 'force'
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_merge_streams = True
# The kernel runs in a folder of its own, and imports experiments as well.
os.environ['PYTHONPATH'] = str(ROOT)
os.environ.setdefault('JAX_PLATFORMS', 'cpu')

autodoc_member_order = 'bysource'
autodoc_typehints_format = 'short'
autodoc_type_aliases = {
  name: name for name in ('Attributes', 'Codes', 'Config', 'Images', 'Pixels')
}
default_role = 'code'
maximum_signature_line_length = 76
napoleon_use_ivar = True

# The model card is a page of the site. Links to other files outside docs/ lead
# to GitHub where it builds the site, else to copies of the files.
_CARD = 'vaegan_jax/pretrained/faces64/README.md'
_REPOSITORY = os.environ.get('GITHUB_REPOSITORY')
if _REPOSITORY:
  html_theme_options = {
    'source_repository': f'https://github.com/{_REPOSITORY}/',
    'source_branch': 'main',
    'source_directory': 'docs/',
  }


def relink(app: Sphinx, document: str, source: list[str]) -> None:
  """Replaces links that lead out of docs/, except those of pictures."""
  up = '../' * (document.count('/') + 1)
  text = source[0].replace(f'({up}{_CARD})', '(faces64.md)')
  if _REPOSITORY:
    base = f'https://github.com/{_REPOSITORY}/blob/main/'
    link = rf'(?<!!)(\[[^]]*\]\(){re.escape(up)}'
    text = re.sub(link, rf'\g<1>{base}', text)
  source[0] = text


def escape(app: Sphinx, *about: object) -> None:
  """Keeps |x| in docstrings, which are plain text, from being a reference."""
  lines = about[-1]
  lines[:] = [line.replace('|', r'\|') for line in lines]


def shorten(app: Sphinx, *about: object) -> tuple[str | None, str | None]:
  """Writes jax.Array and the aliases as short as the code does."""
  signature, returned = (
    text
    and re.sub(r"TypeAliasForwardRef\('(\w+)'\)|jaxlib\._jax\.", r'\1', text)
    for text in about[-2:]
  )
  return signature, returned


def visit_math(translator: nodes.NodeVisitor, node: nodes.math) -> None:
  """Writes a formula as MathML, which browsers show without a script."""
  translator.body.append(str(latex2mathml.tex2mathml(node.astext())))
  raise nodes.SkipNode


def visit_math_block(
  translator: nodes.NodeVisitor, node: nodes.math_block
) -> None:
  """Writes formulas on lines of their own."""
  formula = latex2mathml.tex2mathml(node.astext(), as_block=True)
  translator.body.append(f'<div class="math">{formula}</div>')
  raise nodes.SkipNode


def setup(app: Sphinx) -> None:
  """Registers the functions above."""
  app.add_html_math_renderer(
    'mathml', (visit_math, None), (visit_math_block, None)
  )
  app.connect('source-read', relink)
  app.connect('autodoc-process-docstring', escape)
  app.connect('autodoc-process-signature', shorten)
