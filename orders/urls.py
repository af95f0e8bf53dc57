from django.urls import path

from orders.views import CartViewSet, CheckoutView, OrderViewSet, OwnCartViewSet

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
    path("carts/<uuid:cart_id>/checkout", CheckoutView.as_view()),
    path("me/cart", OwnCartViewSet.as_view({"get": "retrieve"})),
    path("orders", OrderViewSet.as_view({"get": "list"})),
    path("orders/<str:number>", OrderViewSet.as_view({"get": "retrieve"})),
    path("orders/<str:number>/timeline", OrderViewSet.as_view({"get": "timeline"})),
    path("orders/<str:number>/cancel", OrderViewSet.as_view({"post": "cancel"})),
]
