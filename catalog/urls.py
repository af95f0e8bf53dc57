from django.urls import path
from django.urls.resolvers import URLPattern, URLResolver

from catalog import views
from catalog.imports.views import ImportIssueViewSet, ImportViewSet
from core.bytes_cache import public_bytes

urlpatterns: list[URLPattern | URLResolver] = [
    path("products", public_bytes(views.ProductListView.as_view())),
    path("products/<str:key>", public_bytes(views.ProductView.as_view())),
    path("products/<str:key>/publish", views.PublishProductView.as_view()),
    path("products/<str:key>/archive", views.ArchiveProductView.as_view()),
    path("products/<str:key>/variants", views.VariantListView.as_view()),
    path("products/<str:key>/images", views.ImageListView.as_view()),
    path("variants/<uuid:pk>", public_bytes(views.VariantView.as_view())),
    path("variants/<uuid:pk>/prices", public_bytes(views.PriceListView.as_view())),
    path(
        "variants/<uuid:pk>/prices/<str:currency>",
        public_bytes(views.PriceView.as_view()),
    ),
    path("images/<uuid:pk>", public_bytes(views.ImageView.as_view())),
    path("search", public_bytes(views.SearchView.as_view())),
    path("categories", public_bytes(views.CategoryListView.as_view())),
    path("categories/<str:key>", public_bytes(views.CategoryView.as_view())),
    path("collections", public_bytes(views.CollectionListView.as_view())),
    path("collections/<str:key>", public_bytes(views.CollectionView.as_view())),
    path("vendors", public_bytes(views.VendorListView.as_view())),
    path("vendors/<str:key>", public_bytes(views.VendorView.as_view())),
    path("attributes", public_bytes(views.AttributeListView.as_view())),
    path("attributes/<str:key>", public_bytes(views.AttributeView.as_view())),
    path(
        "attributes/<str:key>/values",
        public_bytes(views.AttributeValueListView.as_view()),
    ),
    path(
        "attributes/<str:key>/values/<str:value>",
        public_bytes(views.AttributeValueView.as_view()),
    ),
    path("imports", ImportViewSet.as_view({"post": "create"})),
    path("imports/<uuid:pk>", ImportViewSet.as_view({"get": "retrieve"})),
    path("imports/<uuid:pk>/errors", ImportIssueViewSet.as_view({"get": "list"})),
]
