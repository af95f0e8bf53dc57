from django.urls import include, path

from orders.views import CartViewSet, CheckoutView, OrderViewSet, OwnCartViewSet

CART_ROUTES = [
    path(
        "<uuid:cart_id>",
        CartViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
    ),
    path("<uuid:cart_id>/items", CartViewSet.as_view({"post": "add_item"})),
    path(
        "<uuid:cart_id>/items/<uuid:item_id>",
        CartViewSet.as_view({"patch": "change_item", "delete": "remove_item"}),
    ),
    path(
        "<uuid:cart_id>/shipping-options",
        CartViewSet.as_view({"get": "shipping_options"}),
    ),
    path("<uuid:cart_id>/reserve", CartViewSet.as_view({"post": "reserve"})),
    path("<uuid:cart_id>/claim", OwnCartViewSet.as_view({"post": "claim"})),
    path("<uuid:cart_id>/checkout", CheckoutView.as_view()),
]
ORDER_ROUTES = [
    path("<str:number>", OrderViewSet.as_view({"get": "retrieve"})),
    path("<str:number>/timeline", OrderViewSet.as_view({"get": "timeline"})),
    path("<str:number>/cancel", OrderViewSet.as_view({"post": "cancel"})),
]
# Grouped, so that a request for something else is past them in a few comparisons.
urlpatterns = [
    path("carts", CartViewSet.as_view({"post": "create"})),
    path("carts/", include(CART_ROUTES)),
    path("orders", OrderViewSet.as_view({"get": "list"})),
    path("orders/", include(ORDER_ROUTES)),
    path("me/cart", OwnCartViewSet.as_view({"get": "retrieve"})),
]
