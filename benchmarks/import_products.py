"""How long a Shopify export takes to import, and how much memory.

    python -m benchmarks.import_products
    python -m benchmarks.import_products --products 50000

Writes a file of 5,000 products with four variants each (descriptions, images, categories, stock
and some duplicate SKUs), imports it into an empty database of its own with fsync on, then
again unchanged, then with every price changed.
"""

import argparse
import csv
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.embedded import EmbeddedServers
from config.local_keys import kept_keys

ROOT = Path(__file__).resolve().parents[1]
VARIANTS = 4
COLUMNS = [
    "Handle",
    "Title",
    "Body (HTML)",
    "Vendor",
    "Product Category",
    "Type",
    "Tags",
    "Published",
    "Option1 Name",
    "Option1 Value",
    "Option2 Name",
    "Option2 Value",
    "Variant SKU",
    "Variant Grams",
    "Variant Inventory Qty",
    "Variant Inventory Policy",
    "Variant Price",
    "Variant Compare At Price",
    "Variant Barcode",
    "Image Src",
    "Image Position",
    "Image Alt Text",
    "SEO Title",
    "SEO Description",
    "Variant Image",
    "Price / International",
    "Status",
]
SENTENCE = "Woven slowly from long fibres, washed twice and dried in the open air. "
MAKE_WAREHOUSE = (
    "from inventory.models import Warehouse; "
    "Warehouse.objects.create(code='main', name='Main')"
)


@dataclass(frozen=True, slots=True)
class Measured:
    name: str
    rows: int
    seconds: float
    peak_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.name:<22}{self.rows:>9,} rows{self.seconds:>9.1f} s"
            f"{self.rows / self.seconds:>9,.0f} rows/s{self.peak_bytes / 2**20:>7.0f} MB"
        )


def main() -> int:
    options = _parse_arguments()
    shutil.rmtree(options.var, ignore_errors=True)
    options.var.mkdir(parents=True)
    # The account that PostgreSQL runs as under root must be able to pass through.
    options.var.chmod(0o755)
    first, changed = options.var / "first.csv", options.var / "changed.csv"
    rows = _write(first, options.products, cents="90")
    _write(changed, options.products, cents="95")
    servers = EmbeddedServers(options.var, durable=True)
    servers.start()
    try:
        environment = _environment(options.var, servers)
        _manage(environment, "migrate", "--verbosity", "0")
        _manage(environment, "shell", "--verbosity", "0", "-c", MAKE_WAREHOUSE)
        size = first.stat().st_size / 2**20
        print(f"{options.products:,} products x {VARIANTS} variants, {size:.1f} MB")
        for name, file in (
            ("first time", first),
            ("again, unchanged", first),
            ("every price changed", changed),
        ):
            print(_measure(name, file, rows, environment), flush=True)
    finally:
        servers.stop()
        shutil.rmtree(options.var, ignore_errors=True)
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=5000)
    parser.add_argument("--var", type=Path, default=ROOT / "var" / "bench-imports")
    return parser.parse_args()


def _environment(var: Path, servers: EmbeddedServers) -> dict[str, str]:
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "FIELD_ENCRYPTION_KEYS": kept_keys(var),
        "ALLOWED_HOSTS": "localhost",
        "SHOP_URL": "http://localhost",
        "DEFAULT_FROM_EMAIL": "shop@example.com",
        "VAR_DIR": str(var),
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "LOG_LEVEL": "WARNING",
    }


def _manage(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def _measure(name: str, file: Path, rows: int, environment: dict[str, str]) -> Measured:
    """Run the command as people do, and ask the system what it took."""
    command = [sys.executable, "manage.py", "import_products", str(file)]
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"import_products exited with {process.returncode}.")
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(name, rows, seconds, usage.ru_maxrss * unit)


def _write(file: Path, products: int, *, cents: str) -> int:
    count = 0
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="")
        writer.writeheader()
        for number in range(products):
            for row in _rows_of(number, cents):
                writer.writerow(row)
                count += 1
    return count


def _rows_of(number: int, cents: str) -> Iterator[dict[str, str]]:
    handle = f"linen-shirt-{number}"
    head = {
        "Title": f"Linen Shirt No. {number}",
        "Body (HTML)": f"<p>{SENTENCE * 8}</p>\n<ul><li>{SENTENCE}</li></ul>",
        "Vendor": f"Mill {number % 60}",
        "Product Category": f"Apparel > Shirts > Line {number % 40}",
        "Type": "Shirt",
        "Tags": f"linen, summer, line-{number % 40}",
        "Published": "true",
        "Option1 Name": "Color",
        "Option2 Name": "Size",
        "SEO Title": f"Linen shirt {number}",
        "Status": "active",
    }
    for place in range(VARIANTS):
        color, size = ("White", "Blue")[place // 2], ("M", "L")[place % 2]
        image = f"https://images.example/{handle}-{color}.jpg"
        # One in fifty has a SKU that another product has too.
        sku = f"LS-{number - 1 if number % 50 == 1 else number}-{place}"
        yield {
            "Handle": handle,
            "Option1 Value": color,
            "Option2 Value": size,
            "Variant SKU": sku,
            "Variant Grams": "220",
            "Variant Inventory Qty": str(number % 30),
            "Variant Inventory Policy": "deny",
            "Variant Price": f"{40 + number % 60}.{cents}",
            "Variant Compare At Price": "120.00" if number % 5 == 0 else "",
            "Variant Barcode": f"40063{number:06}{place}",
            "Image Src": image if place % 2 == 0 else "",
            "Image Position": str(place // 2 + 1) if place % 2 == 0 else "",
            "Image Alt Text": f"{color} shirt" if place % 2 == 0 else "",
            "Variant Image": image,
            **(head if place == 0 else {}),
        }


if __name__ == "__main__":
    sys.exit(main())
