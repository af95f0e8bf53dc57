"""Every text of a mail is there in German, and what is shipped is what was written."""

import io
import re
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils import translation

from notifications.constants import KINDS

FOLDER = Path(settings.LOCALE_PATHS[0]) / "de" / "LC_MESSAGES"
TEMPLATES = sorted((settings.BASE_DIR / "templates" / "notifications").glob("*.*"))
PLAIN = re.compile(r'{%\s*translate "([^"]+)"')
BLOCK = re.compile(r"{%\s*blocktranslate[^%]*%}(.*?){%\s*endblocktranslate", re.DOTALL)
VARIABLE = re.compile(r"{{\s*(\w+)\s*}}")


def catalogue():
    return read_po(io.BytesIO((FOLDER / "django.po").read_bytes()))


def texts_of(template):
    source = template.read_text()
    yield from PLAIN.findall(source)
    for block in BLOCK.findall(source):
        yield VARIABLE.sub(r"%(\1)s", block)


def texts_of_notices():
    for kind in KINDS.values():
        if kind.notice:
            notice = kind.notice
            yield from (notice.headline, notice.text, notice.advice, notice.button)


def all_texts():
    with translation.override(None):
        notices = {str(text) for text in texts_of_notices()} - {""}
    return notices | {text for file in TEMPLATES for text in texts_of(file)}


def test_the_compiled_catalogue_is_the_written_one():
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = {m.id: m.string for m in read_mo(file) if m.id}

    written = {m.id: m.string for m in catalogue() if m.id}
    assert compiled == written


def test_every_text_is_translated_and_none_is_left_over():
    translated = {m.id for m in catalogue() if m.id and m.string and not m.fuzzy}

    assert translated == all_texts()


def test_every_placeholder_survives():
    for message in catalogue():
        if message.id:
            names = re.compile(r"%\(\w+\)s")
            found = [sorted(names.findall(t)) for t in (message.id, message.string)]
            assert found[0] == found[1], message.id


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_holds_no_words_outside_translation(template):
    source = re.sub(r"(?s)<style>.*?</style>", "", template.read_text())
    source = BLOCK.sub("", source)
    source = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}|<[^>]*>|&\w+;", " ", source)

    assert re.findall(r"[A-Za-z]{2,}", source) == []
