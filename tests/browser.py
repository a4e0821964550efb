"""Pages in a real browser: Chromium, driven by Playwright."""

import contextlib

import pytest

from benchmarks import explore


@contextlib.contextmanager
def launch():
  """Starts a browser; skips the test where there is none."""
  with contextlib.ExitStack() as stack:
    try:
      browser = stack.enter_context(explore.launch())
    except (ModuleNotFoundError, FileNotFoundError) as error:
      pytest.skip(str(error))
    yield browser


class Explorer:
  """An Explore page that is open and has drawn its first picture."""

  def __init__(self, browser, path, *, link='', **options):
    self.page = browser.new_page(**options)
    self.requests, self.errors = [], []
    self.page.on('request', lambda request: self.requests.append(request.url))
    self.page.on('pageerror', lambda error: self.errors.append(str(error)))
    self.page.goto(path.as_uri() + link)
    self.page.locator('#pace', has_text='ms a picture').wait_for()
    self.settle()

  def settle(self):
    """Waits for the picture and the link of the last state."""
    self.page.evaluate(
      """async () => {
        const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
        do await sleep(50); while (draw.busy);
        await sleep(250);
      }"""
    )

  def picture(self):
    """Returns the bytes of the picture, RGB."""
    return self.page.evaluate(
      """() => {
        const canvas = $('picture');
        const {data} = canvas.getContext('2d').getImageData(
          0, 0, canvas.width, canvas.height);
        return [...data].filter((_, i) => i % 4 < 3);
      }"""
    )

  def hash(self):
    """Returns the link in the address bar, from its # on."""
    return '#' + self.page.url.partition('#')[2]
