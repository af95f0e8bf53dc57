from django.urls import path

from notifications import views

urlpatterns = [
    path("dev/mail", views.dev_mail_list, name="dev-mail-list"),
    path("dev/mail/<str:mail_id>", views.dev_mail, name="dev-mail"),
]
