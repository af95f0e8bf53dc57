import pytest
from django.core.mail import EmailMultiAlternatives, get_connection, send_mail


@pytest.fixture
def folder(settings, tmp_path):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    return settings.EMAIL_FILE_PATH


def send(subject="Hello", *, html="<p>Hi <b>there</b></p>"):
    mail = EmailMultiAlternatives(
        subject, "Hi there, für 5 €", "shop@example.com", ["anna@example.com"]
    )
    mail.attach_alternative(html, "text/html")
    mail.send()


def link(page):
    return page.split('class="mail" href="')[1].split('"')[0]


def test_an_empty_mailbox_says_so(client, folder):
    response = client.get("/dev/mail")

    assert response.status_code == 200
    assert "No mail yet" in response.text


def test_a_mail_is_listed_and_shown_as_text_and_as_sandboxed_html(client, folder):
    send('Order "1" <now>')

    listing = client.get("/dev/mail").text
    page = client.get(link(listing)).text

    assert "Order &quot;1&quot; &lt;now&gt;" in listing
    assert "anna@example.com" in listing
    assert "Hi there, für 5 €" in page
    assert 'sandbox title="The mail as HTML"' in page
    assert 'srcdoc="&lt;p&gt;Hi &lt;b&gt;there&lt;/b&gt;&lt;/p&gt;' in page


def test_the_html_of_a_mail_cannot_leave_its_frame(client, folder):
    send(html='"><script>alert(1)</script>')

    page = client.get(link(client.get("/dev/mail").text)).text

    assert "<script" not in page


def test_several_mails_of_one_connection_are_listed_newest_first(client, folder):
    with get_connection() as connection:
        send_mail(
            "First", "a", "s@example.com", ["a@example.com"], connection=connection
        )
        send_mail(
            "Second", "b", "s@example.com", ["a@example.com"], connection=connection
        )

    listing = client.get("/dev/mail").text

    assert listing.count('class="mail"') == 2
    assert listing.index("Second") < listing.index("First")


@pytest.mark.parametrize("mail_id", ["nothing", "..%2F..%2Fetc%2Fpasswd", "x" * 5000])
def test_an_unknown_mail_is_not_found(client, folder, mail_id):
    send()

    assert client.get(f"/dev/mail/{mail_id}").status_code == 404


def test_nobody_finds_the_mail_where_developers_tools_are_off(client, folder, settings):
    send()
    address = link(client.get("/dev/mail").text)
    settings.DEV_TOOLS = False

    assert client.get("/dev/mail").status_code == 404
    assert client.get(address).status_code == 404
