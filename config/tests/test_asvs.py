"""What docs/asvs.md says exists, exists; and it passes over no requirement."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "asvs.md").read_text()
# How many requirements each section of ASVS 5.0.0 has.
SECTIONS = {
    6: (3, 12, 8, 6, 8, 4, 2, 4),
    7: (3, 4, 2, 5, 3, 2),
    8: (4, 4, 3, 2),
    9: (3, 4),
    10: (2, 3, 5, 16, 5, 2, 3),
}
BEST_PRACTICE = {
    *("2.1", "2.1.1", "2.1.2", "2.2.1", "2.2.2", "2.3", "2.4", "2.5", "2.6"),
    *(f"4.{number}" for number in range(1, 18)),
}
STATES = re.compile(r"(met|partly|not met|n/a)\b")
NAMED = re.compile(r"`([\w/]+\.(?:py|txt))(?:::(\w+))?`")
LINK = re.compile(r"\]\(([\w.]*)#?([\w-]*)\)")


def rows():
    """Return the cells of every line of a table that begins with a number."""
    lines = [line.strip("|").split("|") for line in TEXT.splitlines()]
    return [
        [cell.strip() for cell in line]
        for line in lines
        if line[0].strip()[:1].isdigit()
    ]


def slug(heading):
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_requirement_has_its_line():
    expected = {
        f"{chapter}.{section}.{number}"
        for chapter, sizes in SECTIONS.items()
        for section, size in enumerate(sizes, start=1)
        for number in range(1, size + 1)
    }
    found = [row[0] for row in rows()]

    assert len(found) == len(set(found))
    assert set(found) == expected | BEST_PRACTICE


def test_every_line_says_how_far_it_is_met():
    unsaid = [row[0] for row in rows() if not STATES.match(row[-1])]

    assert unsaid == []


def test_what_is_not_met_says_why():
    bare = [
        row[0]
        for row in rows()
        if row[-1].startswith(("partly", "not met"))
        and len(row[-1]) < 25
        and not re.search(r"\d+\.\d+\.\d+", row[-1])
    ]

    assert bare == []


def test_files_and_tests_that_are_named_exist():
    named = NAMED.findall(TEXT)
    missing = [
        (path, name)
        for path, name in named
        if not (ROOT / path).is_file()
        or (name and f"def {name}(" not in (ROOT / path).read_text())
    ]

    assert len(named) > 100
    assert missing == []


def test_pages_that_are_linked_have_their_headings():
    for page, heading in LINK.findall(TEXT):
        text = (ROOT / "docs" / page).read_text()
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        assert not heading or heading in {slug(one) for one in headings}, heading
