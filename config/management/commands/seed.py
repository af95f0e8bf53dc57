from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from catalog.models import Product
from config.demo import shop


class Command(BaseCommand):
    help = "Fill an empty shop with 120 products, customers and two months of orders."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 -- Django's signature
        if not settings.DEV_TOOLS:
            raise CommandError(
                "The demo shop has well-known passwords; it is for local settings only."
            )
        if Product.objects.exists():
            self.stdout.write("The shop has products already; nothing was changed.")
            return
        summary = shop.open_demo_shop(now=timezone.now())
        self.stdout.write(
            f"{summary.products} products with {summary.variants} variants, "
            f"{summary.customers} customers, {summary.orders} orders."
        )
