from http import HTTPStatus
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSetMixin

from accounts.auth import actor_id_of, current_user, person_of
from core.conditional import StaleVersionError, expected_version, set_etag
from core.exceptions import InvalidParameterError
from core.idempotency import read_key
from core.pagination import InvalidCursorError
from core.permissions import Anyone, is_machine, person_or
from core.serializers import validated
from core.views import ApiView, ApiViewSet
from inventory.exceptions import InsufficientStockError
from orders import selectors, services
from orders.exceptions import (
    CartAlreadyCheckedOutError,
    CartIncompleteError,
    CartItemNotFoundError,
    CartNotFoundError,
    HoldNotExtendableError,
    OrderLapsedError,
    OrderNotCancelableError,
    OrderNotFoundError,
    PaymentDeclinedError,
    PaymentProviderUnavailableError,
    PriceChangedError,
    QuantityTooHighError,
    ShippingOptionUnavailableError,
    TooManyLinesError,
    VariantUnavailableError,
)
from orders.filters import ORDER_FILTERS, filter_orders
from orders.models import Order
from orders.payments.registry import offered_providers
from orders.selectors import Viewer
from orders.serializers import (
    AddCartItemSerializer,
    CancelOrderSerializer,
    CartSerializer,
    ChangeCartItemSerializer,
    ChangeCartSerializer,
    CheckOutSerializer,
    OpenCartSerializer,
    OrderSerializer,
    PlacedOrderSerializer,
    ShippingOptionSerializer,
    TimelineEntrySerializer,
)
from orders.services import Shopper

_ITEM_PROBLEMS = (
    QuantityTooHighError,
    TooManyLinesError,
    VariantUnavailableError,
    InsufficientStockError,
)
_CHANGE_PROBLEMS = (CartNotFoundError, CartAlreadyCheckedOutError, StaleVersionError)


def shopper_of(request: Request) -> Shopper:
    user = person_of(request)
    # A machine shops as a guest does: it has no address and no cart of its own.
    if user is None:
        return Shopper()
    return Shopper(user_id=user.pk, email=user.email)


def seen_version(request: Request) -> int | None:
    """Return the version of If-Match, which carts honour but don't ask for."""
    if request.META.get("HTTP_IF_MATCH", "").strip() in {"", "*"}:
        return None
    return expected_version(request)


class CartViewSet(ViewSetMixin, ApiView):
    """A guest reaches his cart by its id, which is a secret; a user only his own."""

    permission_classes = [Anyone]
    serializer_class = CartSerializer
    problems = {
        "create": _ITEM_PROBLEMS,
        "retrieve": (CartNotFoundError,),
        "partial_update": (*_CHANGE_PROBLEMS, ShippingOptionUnavailableError),
        "add_item": (*_CHANGE_PROBLEMS, *_ITEM_PROBLEMS),
        "change_item": (*_CHANGE_PROBLEMS, *_ITEM_PROBLEMS, CartItemNotFoundError),
        "remove_item": (*_CHANGE_PROBLEMS, CartItemNotFoundError),
        "shipping_options": (CartNotFoundError,),
        "reserve": (*_CHANGE_PROBLEMS, HoldNotExtendableError, InsufficientStockError),
    }

    def idempotency_scope(self, request: Request) -> str:
        cart_id = self.kwargs.get("cart_id")
        return f"cart:{cart_id}" if cart_id else super().idempotency_scope(request)

    @extend_schema(
        request=OpenCartSerializer,
        responses={200: CartSerializer, 201: CartSerializer},
    )
    def create(self, request: Request) -> Response:
        """Start a cart, with items if you like.

        A signed-in user has one open cart: it is answered with 200, and the items join
        it. A new cart is answered with 201.
        """
        wanted = validated(OpenCartSerializer, request.data)
        cart, is_new = services.open_cart(
            shopper=shopper_of(request),
            currency=wanted.get("currency"),
            quantities=wanted.get("items", {}),
            now=timezone.now(),
        )
        status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
        return cart_response(cart, status)

    def retrieve(self, request: Request, cart_id: UUID) -> Response:
        """Read a cart with today's prices, stock and problems."""
        shopper = shopper_of(request)
        return cart_response(
            selectors.get_cart(
                cart_id=cart_id, user_id=shopper.user_id, now=timezone.now()
            )
        )

    @extend_schema(request=ChangeCartSerializer)
    def partial_update(self, request: Request, cart_id: UUID) -> Response:
        """Set the address, the e-mail address, the shipping option or a note."""
        return cart_response(
            services.change_cart(
                cart_id=cart_id,
                shopper=shopper_of(request),
                changes=validated(ChangeCartSerializer, request.data),
                expected_version=seen_version(request),
                now=timezone.now(),
            )
        )

    @extend_schema(request=AddCartItemSerializer)
    def add_item(self, request: Request, cart_id: UUID) -> Response:
        """Add a variant; if it is there already, its line's quantity rises."""
        wanted = validated(AddCartItemSerializer, request.data)
        return cart_response(
            services.add_cart_item(
                cart_id=cart_id,
                shopper=shopper_of(request),
                variant_id=wanted["variant_id"],
                quantity=wanted["quantity"],
                expected_version=seen_version(request),
                now=timezone.now(),
            )
        )

    @extend_schema(request=ChangeCartItemSerializer)
    def change_item(self, request: Request, cart_id: UUID, item_id: UUID) -> Response:
        """Set a line's quantity, which also accepts its present price."""
        wanted = validated(ChangeCartItemSerializer, request.data)
        return cart_response(
            services.change_cart_item(
                cart_id=cart_id,
                shopper=shopper_of(request),
                item_id=item_id,
                quantity=wanted["quantity"],
                expected_version=seen_version(request),
                now=timezone.now(),
            )
        )

    @extend_schema(responses={200: CartSerializer})
    def remove_item(self, request: Request, cart_id: UUID, item_id: UUID) -> Response:
        """Take a line out of the cart."""
        return cart_response(
            services.remove_cart_item(
                cart_id=cart_id,
                shopper=shopper_of(request),
                item_id=item_id,
                expected_version=seen_version(request),
                now=timezone.now(),
            )
        )

    def shipping_options(self, request: Request, cart_id: UUID) -> Response:
        """List what can be chosen for the cart's country and currency."""
        options = selectors.shipping_options_for(
            cart_id=cart_id, user_id=shopper_of(request).user_id
        )
        return Response({"results": ShippingOptionSerializer(options, many=True).data})

    @extend_schema(request=None)
    def reserve(self, request: Request, cart_id: UUID) -> Response:
        """Hold the stock until ``reserved_until``; once more extends it, once."""
        return cart_response(
            services.reserve_cart(
                cart_id=cart_id, shopper=shopper_of(request), now=timezone.now()
            )
        )


class OwnCartViewSet(ViewSetMixin, ApiView):
    permission_classes = [IsAuthenticated]
    serializer_class = CartSerializer
    problems = {
        "retrieve": (CartNotFoundError,),
        "claim": (CartNotFoundError, CartAlreadyCheckedOutError, TooManyLinesError),
    }

    def retrieve(self, request: Request) -> Response:
        """Read your open cart."""
        user = current_user(request)
        return cart_response(
            selectors.get_open_cart(user_id=user.pk, now=timezone.now())
        )

    @extend_schema(request=None)
    def claim(self, request: Request, cart_id: UUID) -> Response:
        """Make a guest's cart yours, merged into the one that you have."""
        return cart_response(
            services.claim_cart(
                cart_id=cart_id, shopper=shopper_of(request), now=timezone.now()
            )
        )


class CheckoutView(ApiView):
    permission_classes = [Anyone]
    serializer_class = PlacedOrderSerializer
    idempotency = "required"
    idempotency_phased = {"post"}
    problems = {
        "post": (
            CartNotFoundError,
            CartIncompleteError,
            CartAlreadyCheckedOutError,
            PriceChangedError,
            InsufficientStockError,
            StaleVersionError,
            PaymentDeclinedError,
            OrderLapsedError,
            PaymentProviderUnavailableError,
        )
    }

    def idempotency_scope(self, request: Request) -> str:  # noqa: ARG002 -- the base's signature
        return f"cart:{self.kwargs['cart_id']}"

    @extend_schema(
        request=CheckOutSerializer,
        responses={201: PlacedOrderSerializer, 202: PlacedOrderSerializer},
    )
    def post(self, request: Request, cart_id: UUID) -> Response:
        """Turn a cart into an order and pay it.

        202 when the payment's outcome isn't known yet: read the order again later.
        """
        wanted = validated(
            CheckOutSerializer, request.data, offered=offered_providers()
        )
        placed = services.check_out(
            cart_id=cart_id,
            shopper=shopper_of(request),
            provider_code=wanted["payment"]["provider"],
            method=wanted["payment"]["method"],
            expected_total=wanted.get("expected_total"),
            request_key=read_key(request) or "",
            expected_version=seen_version(request),
            now=timezone.now(),
        )
        is_open = placed.order.payment_status == Order.PaymentStatus.PENDING
        return Response(
            PlacedOrderSerializer(placed).data,
            status=HTTPStatus.ACCEPTED if is_open else HTTPStatus.CREATED,
            headers={"Location": f"/api/v1/orders/{placed.order.number}"},
        )


class OrderViewSet(ApiViewSet):
    """Owners see their orders, staff all, a guest the one that he has the token of."""

    permission_classes = [Anyone]
    serializer_class = OrderSerializer
    ordering = ("-placed_at", "-id")
    query_params = {"list": ORDER_FILTERS.keys()}
    problems = {
        "list": (InvalidParameterError, InvalidCursorError),
        "retrieve": (OrderNotFoundError,),
        "timeline": (OrderNotFoundError,),
        "cancel": (OrderNotFoundError, OrderNotCancelableError),
    }

    def get_permissions(self) -> list[BasePermission]:
        if self.action == "list":
            return [person_or("orders.view_order")()]
        return [Anyone()]

    def idempotency_subject(self) -> str:
        # To a guest and to staff as well: an order is answered with its addresses.
        return f"order:{self.kwargs['number']}"[:100]

    def list(self, request: Request) -> Response:
        """List orders, the newest first."""
        orders = selectors.orders_visible_to(viewer_of(request, "orders.view_order"))
        page = self.paginate_queryset(filter_orders(orders, request.GET))
        details = [selectors.detail_of(order) for order in page or []]
        return self.get_paginated_response(OrderSerializer(details, many=True).data)

    def retrieve(self, request: Request, number: str) -> Response:
        """Read an order."""
        detail = selectors.get_order(
            number=number, viewer=viewer_of(request, "orders.view_order")
        )
        return order_response(detail)

    def timeline(self, request: Request, number: str) -> Response:
        """Read what has happened to an order, the oldest first."""
        entries = selectors.timeline_of(
            number=number, viewer=viewer_of(request, "orders.view_order")
        )
        return Response({"results": TimelineEntrySerializer(entries, many=True).data})

    @extend_schema(request=CancelOrderSerializer)
    def cancel(self, request: Request, number: str) -> Response:
        """Cancel an order: its goods go back, its money is given back."""
        wanted = validated(CancelOrderSerializer, request.data)
        viewer = viewer_of(request, "orders.change_order")
        return order_response(
            services.cancel_order(
                number=number,
                viewer=viewer,
                reason=wanted.get("reason", ""),
                actor_id=actor_id_of(request)
                if request.user.is_authenticated
                else None,
                now=timezone.now(),
            )
        )


def viewer_of(request: Request, staff_permission: str) -> Viewer:
    token = request.META.get("HTTP_X_ORDER_TOKEN", "")
    if is_machine(request.user):
        return Viewer(is_staff=request.user.has_perm(staff_permission), token=token)
    user = person_of(request)
    if user is None:
        return Viewer(token=token)
    return Viewer(
        user_id=user.pk,
        is_staff=user.is_staff and user.has_perm(staff_permission),
        token=token,
    )


def order_response(detail: selectors.OrderDetail) -> Response:
    response = Response(OrderSerializer(detail).data)
    set_etag(response, detail.order.version)
    return response


def cart_response(
    cart: selectors.PricedCart, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    response = Response(CartSerializer(cart).data, status=status)
    set_etag(response, cart.cart.version)
    return response
