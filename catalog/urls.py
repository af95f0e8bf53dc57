from django.urls import path
from django.urls.resolvers import URLPattern, URLResolver

from catalog import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("products", views.ProductListView.as_view()),
    path("products/<str:key>", views.ProductView.as_view()),
    path("search", views.SearchView.as_view()),
]
