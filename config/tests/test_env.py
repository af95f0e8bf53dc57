import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("Yes", True),
        ("1", True),
        ("off", False),
        ("0", False),
        ("", True),
        ("  ", True),
    ],
)
def test_env_bool_reads_words(monkeypatch, text, expected):
    monkeypatch.setenv("FLAG", text)

    assert env.env_bool("FLAG", default=True) is expected


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (
            lambda: env.env_bool("NAME", default=True),
            "maybe",
            "NAME must be true or false, not 'maybe'.",
        ),
        (
            lambda: env.env_int("NAME", 1),
            "1.5",
            "NAME must be a whole number, not '1.5'.",
        ),
        (
            lambda: env.env_int("NAME", 1, minimum=1),
            "0",
            "NAME must be at least 1, not 0.",
        ),
        (
            lambda: env.env_choice("NAME", "a", choices={"a", "b"}),
            "c",
            "NAME must be one of a, b, not 'c'.",
        ),
    ],
)
def test_reader_refuses_a_bad_value_by_name(monkeypatch, read, text, message):
    monkeypatch.setenv("NAME", text)

    with pytest.raises(ImproperlyConfigured) as error:
        read()

    assert str(error.value) == message


def test_env_list_drops_blanks(monkeypatch):
    monkeypatch.setenv("HOSTS", " a.example , ,b.example,")

    assert env.env_list("HOSTS") == ["a.example", "b.example"]


def test_env_secret_prefers_the_file(monkeypatch, tmp_path):
    (tmp_path / "secret").write_text("from-file\n")
    monkeypatch.setenv("TOKEN", "from-environment")
    monkeypatch.setenv("TOKEN_FILE", str(tmp_path / "secret"))

    assert env.env_secret("TOKEN") == "from-file"


def test_env_secret_refuses_a_missing_file(monkeypatch, tmp_path):
    monkeypatch.setenv("TOKEN_FILE", str(tmp_path / "none"))

    with pytest.raises(
        ImproperlyConfigured,
        match=r"^TOKEN_FILE names .* which can't be read: No such file",
    ):
        env.env_secret("TOKEN")


def test_load_env_file_fills_gaps_only(monkeypatch, tmp_path):
    monkeypatch.setenv("GIVEN", "environment")
    monkeypatch.setenv("NEW", "")
    monkeypatch.delenv("NEW")
    (tmp_path / ".env").write_text(
        '# comment\n\nGIVEN=file\nNEW = "quoted # value=1" \n'
    )

    env.load_env_file(tmp_path / ".env")

    assert env.env_str("GIVEN") == "environment"
    assert env.env_str("NEW") == "quoted # value=1"


def test_load_env_file_names_the_line_it_cannot_read(tmp_path):
    (tmp_path / ".env").write_text("A=1\nnonsense\n")

    with pytest.raises(
        SystemExit, match=r"\.env, line 2: not of the form NAME=value\.$"
    ):
        env.load_env_file(tmp_path / ".env")


def test_load_env_file_accepts_that_there_is_none(tmp_path):
    env.load_env_file(tmp_path / ".env")
