"""docs/settings.md agrees with the schema."""

from experiments import settings_page
from vaegan_jax.config import schema
from vaegan_jax.core import objectives


def test_the_page_of_settings_is_up_to_date():
  assert settings_page.PATH.read_text() == settings_page.page()


def test_the_schema_offers_the_papers_models():
  assert set(schema.SETTINGS['model'].choices) == set(objectives.MODELS)


def test_every_setting_has_a_sentence_and_an_allowed_default():
  for name, setting in schema.SETTINGS.items():
    assert setting.meaning[0].isupper() or ':' in setting.meaning, name
    assert setting.meaning.endswith('.'), name
    assert setting.default is None or setting.allows(setting.default), name
