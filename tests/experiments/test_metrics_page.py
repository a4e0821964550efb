"""docs/metrics.md agrees with the registry and the tables of measures."""

from experiments import metrics_page


def test_the_page_of_metrics_is_up_to_date():
  assert metrics_page.PATH.read_text() == metrics_page.page()
