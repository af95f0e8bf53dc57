from collections.abc import Callable
from functools import wraps
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from notifications import selectors

View = Callable[..., HttpResponse]


def developers_only(view: View) -> View:
    """Answer 404 wherever the developers' tools are off, as if there were no such page."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
        if not settings.DEV_TOOLS:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


@require_safe
@developers_only
def dev_mail_list(request: HttpRequest) -> HttpResponse:
    mails = selectors.stored_mails(Path(settings.EMAIL_FILE_PATH))
    return render(request, "notifications/dev/mail_list.html", {"mails": mails})


@require_safe
@developers_only
def dev_mail(request: HttpRequest, mail_id: str) -> HttpResponse:
    mail = selectors.get_stored_mail(Path(settings.EMAIL_FILE_PATH), mail_id)
    if mail is None:
        raise Http404
    return render(request, "notifications/dev/mail.html", {"mail": mail})
