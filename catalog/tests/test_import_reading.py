import csv
from io import BytesIO, StringIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.imports._columns import UnknownLayoutError, read_layout
from catalog.imports._lines import MAX_LINE_BYTES, detect_encoding, read_lines
from catalog.imports._opening import open_records, open_rows, read_header
from catalog.imports._products import Assembler
from catalog.imports._records import MAX_RECORD_LINES
from catalog.imports._repeats import Repeats
from catalog.tests.importing import FIXTURES, as_csv, mug
from core.errors import DomainError


def encoding_of(content):
    return detect_encoding(BytesIO(content), on_bytes=lambda _: None)


def lines_of(content):
    encoding = encoding_of(content)
    return list(read_lines(BytesIO(content), encoding, on_bytes=lambda _: None))


def rows_of_file(content):
    """Return the layout and the rows below the header, as an import reads them."""
    encoding = encoding_of(content)
    records = open_records(BytesIO(content), encoding, on_bytes=lambda _: None)
    layout = read_layout(read_header(records).cells)
    rows = open_rows(BytesIO(content), encoding, layout, on_bytes=lambda _: None)
    return layout, rows


def drafts_of(content):
    layout, rows = rows_of_file(content)
    return list(Assembler(layout, currency="EUR").drafts(rows))


def test_detect_encoding_takes_utf8_first():
    assert encoding_of("Größe".encode()).name == "utf-8"


def test_detect_encoding_falls_back_to_cp1252_and_says_where():
    encoding = encoding_of("Größe\nÄrmel\n".encode("cp1252"))

    assert (encoding.name, encoding.first_bad_line) == ("cp1252", 1)


def test_detect_encoding_counts_lines_across_chunks():
    good = b"x" * 70_000 + b"\n" + b"y" * 70_000 + b"\n"

    assert encoding_of(good + b"\xe9 z\n").first_bad_line == 3


def test_detect_encoding_sees_a_letter_cut_at_the_end():
    assert encoding_of("é".encode()[:1]).name == "cp1252"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_read_lines_knows_every_line_end(end):
    lines = lines_of(f"a{end}b{end}c".encode())

    assert [(line.number, line.text) for line in lines] == [
        (1, f"a{end}"),
        (2, f"b{end}"),
        (3, "c"),
    ]


def test_read_lines_drops_the_byte_order_mark():
    assert lines_of(b"\xef\xbb\xbfHandle\n")[0].text == "Handle\n"


def test_read_lines_cuts_a_line_without_end_in_bounded_memory():
    cut, after = lines_of(b"a" * (3 * MAX_LINE_BYTES) + b"\nb\n")

    assert cut.is_cut
    assert len(cut.text) == MAX_LINE_BYTES
    assert (after.number, after.text, after.is_cut) == (2, "b\n", False)


@pytest.mark.parametrize(
    ("name", "generation", "width"),
    [
        ("shopify_2017.csv", "shopify 2017", 44),
        ("shopify_2021.csv", "shopify 2021", 48),
        ("shopify_2024.csv", "shopify 2024", 57),
    ],
)
def test_layout_knows_every_column_of_each_generation(name, generation, width):
    layout, _ = rows_of_file((FIXTURES / name).read_bytes())

    assert layout.generation == generation
    assert layout.width == width
    assert layout.unknown == []


def test_layout_does_not_mind_case_blanks_and_order():
    layout = read_layout(["variant  PRICE", " title ", "HANDLE", "Colour code", ""])

    assert layout.places == {"price": 0, "title": 1, "handle": 2}
    assert layout.unknown == ["Colour code"]
    assert layout.width == 4


def test_layout_notes_what_is_known_and_not_kept():
    names = [
        "Handle",
        "Title",
        "Variant Price",
        "Price / International",
        "Compare At Price / United States",
        "Google Shopping / MPN",
        "Material (product.metafields.shopify.material)",
    ]

    assert read_layout(names).ignored == names[3:]


@pytest.mark.parametrize(
    "names",
    [
        ["Title", "Variant Price"],
        ["Handle", "Variant Price"],
        ["Handle", "Title", "Vendor"],
        ["Handle", "Title", "Price", "Variant Price"],
        ["ID", "Type", "SKU", "Name", "Regular price"],
    ],
)
def test_layout_refuses_what_it_could_misread(names):
    with pytest.raises(UnknownLayoutError):
        read_layout(names)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_rows_may_be_split_as_spreadsheets_split_them(delimiter):
    content = as_csv(mug()).replace(",", delimiter).encode()

    (draft,) = drafts_of(content)

    assert (draft.handle, draft.title) == ("mug", "Mug")


def test_rows_keep_the_line_of_the_file():
    content = as_csv(mug("a", Vendor="two\nlines"), mug("b"), {}, mug("c")).encode()

    assert [(d.handle, d.line) for d in drafts_of(content)] == [
        ("a", 2),
        ("b", 4),
        ("c", 6),
    ]


def test_a_stray_quote_costs_its_own_row_only():
    lines = as_csv(mug("a"), mug("b", Vendor="x"), mug("c"), mug("d")).splitlines()
    lines[2] = lines[2].replace(",x,", ',"x,')

    drafts = drafts_of("\n".join(lines).encode())

    assert [(d.handle, d.rows_refused) for d in drafts] == [
        ("a", 0),
        ("b", 1),
        ("c", 0),
        ("d", 0),
    ]


def test_a_stray_quote_before_quoted_cells_costs_its_own_row_only():
    tagged = {"Tags": "red, blue", "Vendor": 'The "Best"'}
    lines = as_csv(*(mug(h, **tagged) for h in "abcd")).splitlines()
    lines[2] = lines[2].replace(",Mug,", ',"Mug,')

    drafts = drafts_of("\n".join(lines).encode())

    assert [d.handle for d in drafts if not d.rows_refused] == ["a", "c", "d"]


def test_a_quote_that_is_never_closed_does_not_read_the_file_into_memory():
    rows = as_csv(*(mug(f"mug-{n}") for n in range(MAX_RECORD_LINES + 50)))
    content = rows.replace("\nmug-0,Mug", '\nmug-0,"Mug', 1).encode()

    drafts = drafts_of(content)

    assert drafts[0].rows_refused == 1
    assert len(drafts) == MAX_RECORD_LINES + 50
    assert not any(draft.rows_refused for draft in drafts[1:])


@pytest.mark.parametrize("cell", ['"Oak" table', '"Oak" ', ' "a, b"'])
def test_odd_quotes_within_a_line_are_no_fault(cell):
    content = as_csv(mug("a", Vendor="x"), mug("b")).replace(",x,", f",{cell},")

    assert [d.rows_refused for d in drafts_of(content.encode())] == [0, 0]


def test_the_inside_of_a_refused_text_is_no_product():
    row = mug("a", Vendor="one\ntwo, three\nfour")
    content = as_csv(row, mug("b")).replace("\na,Mug,", "\na,Mug,,,", 1).encode()

    assert [(d.handle, d.line, d.rows_refused) for d in drafts_of(content)] == [
        ("a", 2, 1),
        ("b", 5, 0),
    ]


def test_repeats_misses_none_and_names_few_too_many():
    repeats = Repeats(bits=2**16)
    for number in range(1000):
        repeats.add(str(number))
    repeats.add("7")

    assert "7" in repeats.found
    assert len(repeats.found) < 30


def read_all(content):
    try:
        return drafts_of(content)
    except (DomainError, UnknownLayoutError):
        return []


@given(st.binary(max_size=2000))
def test_reading_never_crashes_on_bytes(content):
    read_all(content)


@given(st.binary(max_size=2000))
def test_reading_never_crashes_below_a_good_header(content):
    header = (FIXTURES / "shopify_2017.csv").read_bytes().partition(b"\n")[0]

    drafts = read_all(header + b"\n" + content)

    assert (
        sum(d.rows_read for d in drafts)
        <= content.count(b"\n") + content.count(b"\r") + 1
    )


CELL = st.text(max_size=20) | st.sampled_from(
    [
        '"',
        "a,b",
        "12.50",
        "-3",
        "true",
        "Default Title",
        "x\ny",
        "\x00",
        "https://x.y/z",
    ]
)


@settings(max_examples=60)
@given(st.lists(st.lists(CELL, min_size=12, max_size=12), max_size=8))
def test_reading_takes_or_refuses_every_row(rows):
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(as_csv().strip().split(","))
    writer.writerows(rows)
    content = text.getvalue().encode("utf-8", "replace")

    drafts = read_all(content)

    for draft in drafts:
        errors = [issue for issue in draft.issues if issue.severity == "error"]
        assert len(errors) == draft.rows_refused <= draft.rows_read


@settings(max_examples=40)
@given(st.data())
def test_damage_to_one_row_leaves_the_others(data):
    lines = as_csv(*(mug(f"mug-{n}") for n in range(6))).splitlines()
    row = data.draw(st.integers(1, 6))
    place = data.draw(st.integers(0, len(lines[row])))
    damage = data.draw(st.sampled_from([",", ",,", '"', '","']))
    lines[row] = lines[row][:place] + damage + lines[row][place:]

    drafts = drafts_of("\n".join(lines).encode())

    sound = {d.handle for d in drafts if not d.rows_refused}
    assert sound >= {f"mug-{n}" for n in range(6) if n != row - 1}
