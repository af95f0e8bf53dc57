from django.urls import path

from orders.views import CartViewSet, OwnCartViewSet

urlpatterns = [
    path("carts", CartViewSet.as_view({"post": "create"})),
    path(
        "carts/<uuid:cart_id>",
        CartViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
    ),
    path("carts/<uuid:cart_id>/items", CartViewSet.as_view({"post": "add_item"})),
    path(
        "carts/<uuid:cart_id>/items/<uuid:item_id>",
        CartViewSet.as_view({"patch": "change_item", "delete": "remove_item"}),
    ),
    path(
        "carts/<uuid:cart_id>/shipping-options",
        CartViewSet.as_view({"get": "shipping_options"}),
    ),
    path("carts/<uuid:cart_id>/reserve", CartViewSet.as_view({"post": "reserve"})),
    path("carts/<uuid:cart_id>/claim", OwnCartViewSet.as_view({"post": "claim"})),
    path("me/cart", OwnCartViewSet.as_view({"get": "retrieve"})),
]
