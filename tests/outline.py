"""The tags, images and text of an HTML page, for tests of reports."""

import html.parser
import re


class Outline(html.parser.HTMLParser):
  """Collects the parts of a page, and checks that its tags are closed."""

  VOID = ('meta', 'img')

  def __init__(self, text):
    super().__init__()
    self.tags, self.images, self.open, self.words = [], [], [], []
    self.feed(text)
    assert not self.open

  def handle_starttag(self, tag, attrs):
    self.tags.append(tag)
    if tag == 'img':
      self.images.append(dict(attrs))
    if tag not in self.VOID:
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    self.words.append(data)

  def text(self):
    return ' '.join(' '.join(self.words).split())


def check_self_contained(page):
  """Asserts that an HTML page has no script and fetches nothing."""
  assert not {'script', 'link', 'iframe'} & set(Outline(page).tags)
  assert not re.search(r'https?://|@import|url\(', page)
