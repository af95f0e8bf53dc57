"""Pages for people: what a problem type means and what to do about it."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core.errors import DomainError, problem_types


@require_safe
def problem_index(request: HttpRequest) -> HttpResponse:
    types = sorted(problem_types().values(), key=lambda e: (e.kind.value, e.code))
    problems = [_described(error) for error in types]
    return render(request, "problems/index.html", {"problems": problems})


@require_safe
def problem_page(request: HttpRequest, slug: str) -> HttpResponse:
    for error in problem_types().values():
        if error.slug() == slug:
            return render(request, "problems/type.html", {"problem": _described(error)})
    raise Http404


def _described(error: type[DomainError]) -> dict[str, str | int]:
    """Return what a page shows. A template would call the class itself, and get nothing."""
    return {
        "slug": error.slug(),
        "code": error.code,
        "status": error.kind.value,
        "title": error.title,
        "cause": error.cause,
        "cure": error.cure,
    }
