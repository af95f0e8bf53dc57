"""Pages for people: what a problem type means and what to do about it."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core.errors import problem_types


@require_safe
def problem_index(request: HttpRequest) -> HttpResponse:
    types = sorted(problem_types().values(), key=lambda e: (e.kind.value, e.code))
    return render(request, "problems/index.html", {"types": types})


@require_safe
def problem_page(request: HttpRequest, slug: str) -> HttpResponse:
    for error in problem_types().values():
        if error.slug() == slug:
            return render(request, "problems/type.html", {"error": error})
    raise Http404
