import gc

import pytest

from core.errors import DomainError, ErrorKind, problem_types


def test_every_error_states_what_its_page_needs():
    for code, error in problem_types().items():
        assert error.code == code
        assert isinstance(error.kind, ErrorKind)
        assert error.title, code
        assert error.cause, code
        assert error.cure, code


def test_two_errors_with_one_code_are_a_mistake():
    class FirstError(DomainError):
        code = "test_twice"
        kind = ErrorKind.CONFLICT
        title = cause = cure = "First."

    class SecondError(DomainError):
        code = "test_twice"
        kind = ErrorKind.CONFLICT
        title = cause = cure = "Second."

    with pytest.raises(RuntimeError, match="test_twice"):
        problem_types()
    # The registry walks subclasses: these two must not outlive their test.
    del FirstError, SecondError
    gc.collect()
    assert "test_twice" not in problem_types()
