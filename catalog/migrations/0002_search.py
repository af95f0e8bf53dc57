from django.contrib.postgres.indexes import GinIndex, GistIndex
from django.contrib.postgres.operations import TrigramExtension, UnaccentExtension
from django.db import migrations, models

# One truth about what a word is, for documents and for queries: compatibility forms
# united, accents and case folded, and everything that separates words made a blank.
# The separators are listed, so that no database's locale changes the answer.
CREATE_WORDS = r"""
CREATE FUNCTION catalog_words(input text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT btrim(regexp_replace(
    lower(public.unaccent('public.unaccent'::regdictionary, normalize(input, NFKC))),
    '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u2000-\u206f\u3000-\u303f\ufe00-\ufe0f\ufeff]+',
    ' ', 'g'))
$$
"""
CREATE_CONFIGURATION = "CREATE TEXT SEARCH CONFIGURATION shopwright (COPY = simple)"


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]

    operations = [
        TrigramExtension(),
        UnaccentExtension(),
        migrations.RunSQL(CREATE_WORDS, "DROP FUNCTION catalog_words(text)"),
        migrations.RunSQL(
            CREATE_CONFIGURATION, "DROP TEXT SEARCH CONFIGURATION shopwright"
        ),
        migrations.AddIndex(
            "searchword",
            GistIndex(
                fields=["word"],
                name="catalog_searchword_trigrams",
                opclasses=["gist_trgm_ops"],
            ),
        ),
        migrations.AddIndex(
            "productcard",
            GinIndex(
                fields=["search_title"],
                name="catalog_card_title_trigrams",
                opclasses=["gin_trgm_ops"],
                condition=models.Q(is_default=True),
                fastupdate=False,
            ),
        ),
    ]
