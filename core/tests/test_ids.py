from uuid import UUID

from core.ids import uuid7, uuid7_text


def test_an_id_as_text_is_one_like_the_others():
    before, text, after = uuid7(), uuid7_text(), uuid7()

    assert str(UUID(text)) == text
    assert (UUID(text).version, UUID(text).variant) == (7, before.variant)
    # Of the same clock, whose milliseconds are the first 48 bits.
    assert before.int >> 80 <= UUID(text).int >> 80 <= after.int >> 80
