"""Times the Explore page of the shipped model in headless Chromium.

python -m benchmarks.explore

Writes the page, opens it from its file, and counts the pictures that Dec draws
while the code changes, and the images that Enc encodes. Needs the package
playwright, and chromium on the path.
"""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from absl import app

from vaegan_jax import loading
from vaegan_jax.report import explore_page

# Without the later ones, Chromium looks for its servers at every start.
_CHROMIUM = (
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
)
_SCRIPTS = {
  'pictures': """async (seconds) => {
    const z = code();
    const start = performance.now();
    let count = 0;
    for (; performance.now() - start < 1000 * seconds; count++) {
      z[count % z.length] += 0.01;
      paint($('picture'), await decode(z, conditionNow()));
    }
    return 1000 * count / (performance.now() - start);
  }""",
  'codes': """async (seconds) => {
    const pixels = new Uint8Array(HEIGHT * WIDTH * CHANNELS).fill(100);
    const start = performance.now();
    let count = 0;
    for (; performance.now() - start < 1000 * seconds; count++) {
      await encode(pixels, conditionNow());
    }
    return 1000 * count / (performance.now() - start);
  }""",
}


@contextlib.contextmanager
def launch() -> Iterator[Any]:
  """Starts a browser of Playwright's, headless.

  Raises:
    ModuleNotFoundError: the package playwright is missing.
    FileNotFoundError: chromium is not on the path.
  """
  from playwright import sync_api

  path = shutil.which('chromium')
  if path is None:
    raise FileNotFoundError(
      'no chromium on the path: install it (Debian: apt-get install chromium)'
    )
  with sync_api.sync_playwright() as playwright:
    browser = playwright.chromium.launch(
      executable_path=path, args=list(_CHROMIUM)
    )
    with contextlib.closing(browser):
      yield browser


def measure(
  path: pathlib.Path, *, seconds: float = 3.0, rounds: int = 5
) -> dict[str, Sequence[float]]:
  """Returns pictures and codes a second, of each round.

  Args:
    path: a page, of a model with an encoder.
    seconds: of a round.
    rounds: of each.
  """
  with launch() as browser:
    page = browser.new_page()
    page.goto(path.as_uri())
    page.locator('#pace', has_text='ms a picture').wait_for()
    return {
      name: [page.evaluate(script, seconds) for _ in range(rounds)]
      for name, script in _SCRIPTS.items()
    }


def main(_: list[str]) -> None:
  """Prints medians and ranges."""
  model = loading.pretrained('faces64')
  with tempfile.TemporaryDirectory() as folder:
    path = explore_page.write(
      explore_page.path_in(pathlib.Path(folder)),
      model,
      {'model': 'vaegan', 'conditional': '', 'data.source': 'faces'},
      held_out=None,
    )
    print(f'page, MB {path.stat().st_size / 1e6:.1f}')
    for name, rates in measure(path).items():
      print(
        f'{name} a second {statistics.median(rates):.1f} '
        f'({min(rates):.1f} to {max(rates):.1f})'
      )


if __name__ == '__main__':
  app.run(main)
