import pytest
from django.core.mail.message import sanitize_address

from core.mailboxes import is_mailbox, plain_mailbox

# Fourteen signs, of which every one takes four when it is written in ASCII.
HAN = "".join(chr(0x4E00 + 977 * n) for n in range(14))
ONE_MAILBOX = {
    "tom@example.com": [
        "tom@example.com",
        "TOM@Example.COM",
        " tom@example.com\n",
        "\u3000tom@example.com",
        "tom@\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45.com",
        "tom@example\u3002com",
        "tom@exam\u00adple.com",
    ],
    "kate@example.com": ["\u212aate@example.com", "KATE@example.com"],
    "tom@xn--bcher-kva.example": [
        "tom@bücher.example",
        "tom@BÜCHER.example",
        "tom@b\u0075\u0308cher.example",
        "TOM@XN--BCHER-KVA.EXAMPLE",
    ],
    # The second letter is Cyrillic: another domain, and it shows.
    "tom@xn--exmple-4nf.com": ["tom@ex\u0430mple.com"],
}


@pytest.mark.parametrize(
    ("plain", "spelling"),
    [(plain, one) for plain, found in ONE_MAILBOX.items() for one in found],
)
def test_plain_mailbox_knows_a_mailbox_by_any_spelling(plain, spelling):
    assert plain_mailbox(spelling) == plain
    assert plain_mailbox(plain) == plain


@pytest.mark.parametrize(
    "spelling",
    [
        "tom@\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45.com",
        "tom@example\u3002com",
        "tom@BÜCHER.example",
        "tom@ex\u0430mple.com",
    ],
)
def test_plain_mailbox_is_where_mail_goes(spelling):
    assert sanitize_address(spelling, "utf-8") == plain_mailbox(spelling)


@pytest.mark.parametrize(
    "text", ["", "tom", "@", "tom@", f"tom@{'ü' * 80}.de", "tom@ü..de", "\ud800@x.de"]
)
def test_plain_mailbox_takes_anything(text):
    assert plain_mailbox(text) == text


@pytest.mark.parametrize(
    "address",
    [
        "tom@example.com",
        "tom+shop@example.com",
        "o'neill_{x}@sub.example.co.uk",
        "tom@bücher.example",
        "tom@xn--bcher-kva.example",
        f"{'a' * 64}@example.com",
    ],
)
def test_is_mailbox_takes_what_people_have(address):
    assert is_mailbox(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "tom",
        "@example.com",
        "@@example.com",
        "tom@example.com.",
        "tom@example",
        ".tom@example.com",
        "to..m@example.com",
        '"tom"@example.com',
        '"a b"@example.com',
        "tom@localhost",
        "tom@[127.0.0.1]",
        "tom@[::1]",
        "tom@example.com\x00",
        "tom@example.com\r\nBcc: all@example.com",
        "tom@example.com, eve@example.com",
        "Tom <tom@example.com>",
        # They match [a-z] where case is ignored.
        "m\u0131ke@example.com",
        "m\u0130ke@example.com",
        "\u017fam@example.com",
        "\u212aate@example.com",
        "tóm@example.com",
        "tom\u200b@example.com",
        "tom\u202e@example.com",
        f"tom@{'ü' * 80}.de",
        # Too long once it is written for the server.
        f"tom@{'.'.join([HAN] * 9)}.de",
        f"{'a' * 250}@example.com",
    ],
)
def test_is_mailbox_refuses_what_nobody_has(address):
    assert not is_mailbox(address)
