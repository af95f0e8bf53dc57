"""Links of the pages lead somewhere, and each flow of accounts is shown as curl and as a diagram."""

import re
from pathlib import Path

import pytest

from config.tests.schema import document, operations, resolved

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\[[^]]*\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)")
# The pages with the flows of accounts.
ACCOUNTS = ["accounts", "sign-in", "other-doors", "sessions", "people", "privacy"]
LONGEST = 250
CURL, DIAGRAM = "\n$ curl ", "\nsequenceDiagram\n"
# Sections with one answer that shows a rule, which is no flow.
RULES = {"Passwords", "Profile, preferences, addresses"}
# Operations that nobody types: of the last one the export's answer has the address. The
# others are told in words, beside flows that show the like of them.
UNTYPED = {
    "GET /api-keys",
    "GET /api-keys/{id}",
    "PATCH /api-keys/{id}",
    "PATCH /auth/me",
    "GET /me/exports/{id}/file",
}
COMMAND = re.compile(r"^\$ (.*curl (?:.*\\\n)*.*)$", re.MULTILINE)
ADDRESS = re.compile(r"curl [^|]*?\"?\$API(/[^\s\"?]*)")
JSON_BODY = re.compile(r"""--json (?:'(.*?)'|"(.*?[^\\])")""")
MEMBER = re.compile(r'\\?"(\w+)\\?":')


def text_of(page):
    return (ROOT / "docs" / f"{page}.md").read_text()


def slug(heading):
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def sections(page):
    """Return what stands under each heading, without what stands under the next."""
    parts = re.split(r"^#{2,3} (.*)$", text_of(page), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def calls():
    """Return method, path and the members of its JSON for each curl of the pages."""
    for page in ACCOUNTS:
        for command in COMMAND.findall(text_of(page)):
            if address := ADDRESS.search(command):
                body = JSON_BODY.search(command)
                given = re.search(r"-X ([A-Z]+)", command)
                method = given[1] if given else "POST" if "--json" in command else "GET"
                members = MEMBER.findall(body[0]) if body else []
                yield method, "/api/v1" + address[1], members, command


def operation_at(method, path):
    for operation in operations():
        pattern = re.sub(r"{\w+}", "[^/]+", operation.path)
        if operation.method == method and re.fullmatch(pattern, path):
            return operation
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_pages_and_headings(page):
    broken = []
    for target, heading in LINK.findall(page.read_text()):
        file = (page.parent / target).resolve() if target else page
        if not file.exists():
            broken.append(target)
        elif heading:
            found = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            if heading not in {slug(one) for one in found}:
                broken.append(f"{target}#{heading}")

    assert broken == []


def test_every_page_stands_in_the_list_of_pages():
    listed = {target for target, _ in LINK.findall(text_of("README"))}

    assert {page.name for page in (ROOT / "docs").glob("*.md")} - listed == {
        "README.md"
    }


@pytest.mark.parametrize("page", ACCOUNTS)
def test_a_page_of_accounts_can_be_read_at_one_go(page):
    assert len(text_of(page).splitlines()) <= LONGEST


@pytest.mark.parametrize("page", ACCOUNTS)
def test_every_flow_has_its_curl_and_its_diagram(page):
    flows = {
        title: (CURL in text, DIAGRAM in text)
        for title, text in sections(page).items()
        if CURL in text or DIAGRAM in text
    }
    lacking = [title for title, has in flows.items() if has != (True, True)]

    assert flows
    assert set(lacking) <= RULES


def test_every_operation_of_accounts_is_called_in_the_pages():
    called = {str(operation_at(method, path)) for method, path, _, _ in calls()}
    due = {
        str(operation)
        for operation in operations()
        if re.match(
            r"/api/v1/(auth|me/exports|me/identities|api-keys)\b", operation.path
        )
    }

    assert len(due) > 30
    assert {name.replace("/api/v1", "") for name in due - called} == UNTYPED


@pytest.mark.parametrize("call", [*calls()], ids=lambda call: f"{call[0]} {call[1]}")
def test_a_call_of_the_pages_is_one_that_the_api_takes(call):
    method, path, members, command = call
    operation = operation_at(method, path)

    assert operation, command
    content = operation.content.get("requestBody", {}).get("content", {})
    known = {
        name
        for media in content.values()
        for name in resolved(media["schema"]).get("properties", {})
    }
    assert set(members) <= known, command


def test_the_document_has_operations():
    assert len(document()["paths"]) > 20
