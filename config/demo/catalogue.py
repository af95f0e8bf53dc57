"""What the demo shop sells: 120 products in 10 categories, told in one table each.

A line is: title, price in euro cents, option set, what makes it worth having.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoProduct:
    title: str
    cents: int
    options: str
    blurb: str


@dataclass(frozen=True, slots=True)
class DemoCategory:
    name: str
    parent: str
    picture: str
    vendors: tuple[str, ...]
    material: str
    products: tuple[DemoProduct, ...]


# Names of option sets to the options and their values.
OPTION_SETS: dict[str, dict[str, tuple[str, ...]]] = {
    "one": {},
    "color": {"Color": ("Clay", "Moss", "Ink")},
    "tone": {"Color": ("Oak", "Walnut")},
    "size": {"Size": ("S", "M", "L", "XL")},
    "wear": {"Color": ("Clay", "Moss", "Ink"), "Size": ("S", "M", "L")},
    "weight": {"Weight": ("250 g", "1 kg")},
    "paper": {"Paper": ("Plain", "Dotted", "Lined")},
    "format": {"Format": ("A4", "A3", "50 x 70 cm")},
}

HEX = {
    "Clay": "#c4694a",
    "Moss": "#6d7f53",
    "Ink": "#2f3e56",
    "Oak": "#c79a63",
    "Walnut": "#6f4a32",
}


def _products(*rows: tuple[str, int, str, str]) -> tuple[DemoProduct, ...]:
    return tuple(DemoProduct(*row) for row in rows)


CATEGORIES: tuple[DemoCategory, ...] = (
    DemoCategory(
        "Coffee & Tea",
        "Kitchen",
        "cup",
        ("Harbour Roasters", "Leaf & Stone"),
        "Stoneware",
        _products(
            (
                "Harbour Espresso Beans",
                1190,
                "weight",
                "Chocolate, hazelnut, a clean finish.",
            ),
            (
                "Morning Filter Beans",
                1090,
                "weight",
                "Bright, citrus, made for the first cup.",
            ),
            (
                "Decaf Evening Beans",
                1250,
                "weight",
                "All of the taste, none of the night.",
            ),
            (
                "Sencha Spring Leaves",
                1450,
                "weight",
                "First harvest, steamed and rolled by hand.",
            ),
            ("Earl Grey Blue", 990, "weight", "Bergamot oil and cornflower."),
            ("Stoneware Mug", 1890, "color", "Holds 300 ml and keeps them warm."),
            ("Espresso Cup Pair", 2400, "color", "Two cups, thick walls, no handles."),
            ("Pour-over Dripper", 2950, "color", "Ribs inside for an even flow."),
            ("Gooseneck Kettle", 5900, "color", "Pours where you look."),
            ("Hand Grinder", 7900, "one", "Steel burrs, forty steps, no cable."),
            ("Café Serving Tray", 3400, "tone", "Carries six cups past any door."),
            (
                "Tea Tin with Scoop",
                1590,
                "color",
                "Closes with a sigh, not with a snap.",
            ),
        ),
    ),
    DemoCategory(
        "Cookware",
        "Kitchen",
        "pot",
        ("Iron & Flame", "Tavola"),
        "Cast iron",
        _products(
            (
                "Cast Iron Skillet",
                4900,
                "one",
                "Seasoned at the works, better every year.",
            ),
            ("Enamel Casserole", 9900, "color", "Four litres of patience."),
            ("Carbon Steel Wok", 5600, "one", "Thin, quick, ready for high heat."),
            ("Saucepan with Spout", 4200, "one", "Pours from both sides."),
            ("Bread Loaf Tin", 1900, "one", "Folded corners, an honest crust."),
            ("Pie Dish", 2600, "color", "From the oven straight to the table."),
            ("Chef's Knife", 8900, "tone", "Twenty centimetres of carbon steel."),
            ("Paring Knife", 2900, "tone", "For everything smaller than a lemon."),
            ("End-grain Board", 7400, "tone", "Kind to the blade."),
            ("Olive Wood Spoon", 1200, "one", "No two are alike."),
            ("Whisk and Bowl Set", 3900, "one", "Stands still while you work."),
            ("Linen Oven Mitt", 1800, "color", "Long enough for the back of the oven."),
        ),
    ),
    DemoCategory(
        "Lighting",
        "Home",
        "lamp",
        ("Nordlys", "Studio Ombra"),
        "Powder-coated steel",
        _products(
            (
                "Arc Desk Lamp",
                12900,
                "color",
                "Balanced by a counterweight, not by a spring.",
            ),
            (
                "Paper Globe Pendant",
                6900,
                "one",
                "Folded rice paper, soft light all round.",
            ),
            ("Reading Floor Lamp", 15900, "color", "Turns with you, page by page."),
            ("Clip Lamp", 3900, "color", "Holds on to shelf, bed or board."),
            ("Opal Table Lamp", 8900, "tone", "A mouth-blown shade on a turned foot."),
            ("Garden Lantern", 5400, "one", "Solar by day, candle-warm by night."),
            ("Dimmable Filament Bulb", 990, "one", "2700 K, 15,000 hours."),
            ("Bedside Light", 4500, "color", "Dims by touch."),
            ("Linear Pendant", 18900, "tone", "1.2 metres over a long table."),
            ("Wall Sconce", 7900, "color", "Light up and down, none in your eyes."),
            (
                "Night Light Moon",
                2400,
                "one",
                "Glows for an hour, then sleeps as well.",
            ),
            (
                "Festoon String",
                4900,
                "one",
                "Ten metres, twenty bulbs, one long evening.",
            ),
        ),
    ),
    DemoCategory(
        "Textiles",
        "Home",
        "fold",
        ("Loom & Field", "Merino Works"),
        "Wool and linen",
        _products(
            ("Lambswool Throw", 8900, "color", "Woven slowly, brushed once."),
            (
                "Linen Bedding Set",
                14900,
                "color",
                "Stone-washed, soft from the first night.",
            ),
            ("Waffle Bath Towel", 2900, "color", "Dries fast, takes little room."),
            (
                "Kitchen Towel Trio",
                1900,
                "color",
                "Three towels, none too good to use.",
            ),
            ("Velvet Cushion", 3400, "color", "A hidden zip and a washable cover."),
            ("Flatweave Rug", 17900, "color", "Two by three metres, both sides good."),
            ("Sheepskin Seat Pad", 4900, "one", "For the chair by the window."),
            (
                "Linen Curtain Pair",
                9900,
                "color",
                "Lets the morning in, keeps the street out.",
            ),
            ("Tablecloth Long", 6900, "color", "For eight people and their elbows."),
            ("Napkin Set of Six", 3200, "color", "Soft corners, no ironing."),
            ("Knitted Pouf", 11900, "color", "Seat, footrest, cat's place."),
            (
                "Hot Water Bottle Cover",
                2600,
                "color",
                "Cable-knit, with a bottle inside.",
            ),
        ),
    ),
    DemoCategory(
        "Furniture",
        "Home",
        "chair",
        ("Spoke & Board", "Tavola"),
        "Solid wood",
        _products(
            (
                "Three-legged Stool",
                8900,
                "tone",
                "Never wobbles: three points make a plane.",
            ),
            ("Dining Chair", 18900, "tone", "Steam-bent back, woven seat."),
            ("Trestle Desk", 32900, "tone", "Comes apart without a tool."),
            ("Wall Shelf", 7900, "tone", "Holds thirty kilos and hides its screws."),
            ("Bench for Two", 24900, "tone", "Hall, table, garden."),
            ("Side Table", 12900, "tone", "A tray that stays."),
            ("Coat Stand", 14900, "tone", "Six hooks, small foot."),
            ("Bookcase Ladder", 39900, "tone", "Five boards against the wall."),
            ("Shoe Rack", 6900, "tone", "Stacks as the family grows."),
            ("Bedside Crate", 5900, "tone", "Table, box, step."),
            ("Folding Chair", 7900, "tone", "Four fit behind the door."),
            ("Round Table", 49900, "tone", "Nobody sits at the corner."),
        ),
    ),
    DemoCategory(
        "Bags",
        "Wear",
        "bag",
        ("Common Carry", "Saddle & Thread"),
        "Waxed cotton",
        _products(
            (
                "Day Backpack",
                9900,
                "color",
                "Eighteen litres and a sleeve for 15 inches.",
            ),
            ("Weekender", 14900, "color", "Three days, one zip."),
            ("Market Tote", 2900, "color", "Carries fifteen kilos without a word."),
            ("Belt Bag", 3900, "color", "Passport, keys, phone."),
            ("Roll-top Pannier", 8400, "color", "Clicks on to any rack."),
            ("Laptop Sleeve", 3400, "color", "Felt inside, wax outside."),
            ("Wash Bag", 2900, "color", "Opens flat, hangs up."),
            ("Camera Cube", 4500, "color", "Makes a camera bag of any bag."),
            ("Leather Card Holder", 3900, "tone", "Four cards and a note."),
            ("Key Loop", 1400, "tone", "Brass and bridle leather."),
            ("Lunch Roll", 2400, "color", "Folds to the size of the sandwich."),
            (
                "Drawstring Pouch Set",
                1900,
                "color",
                "Three sizes for all that is loose.",
            ),
        ),
    ),
    DemoCategory(
        "Clothing",
        "Wear",
        "shirt",
        ("Merino Works", "Field Coat Co."),
        "Organic cotton and wool",
        _products(
            ("Everyday T-Shirt", 2900, "wear", "Heavy jersey, knitted in a tube."),
            ("Oxford Shirt", 6900, "wear", "Buttons that stay on."),
            ("Fisherman Sweater", 12900, "wear", "Unscoured wool: rain runs off."),
            ("Merino Base Layer", 7900, "wear", "Warm when wet, fresh for days."),
            ("Chore Jacket", 11900, "wear", "Three pockets and a pencil loop."),
            ("Pleated Trousers", 8900, "wear", "Room to sit, room to run."),
            ("Rain Shell", 16900, "wear", "Taped seams, no swish."),
            ("Beanie", 2400, "color", "Ribbed, doubled, warm."),
            ("Wool Socks Pair", 1690, "size", "Cushioned where it counts."),
            ("Linen Scarf", 3900, "color", "Two metres of summer."),
            ("Work Apron", 5400, "color", "Cross-back, so the neck is free."),
            ("Canvas Sneaker", 7900, "size", "Vulcanised sole, natural rubber."),
        ),
    ),
    DemoCategory(
        "Stationery",
        "Desk",
        "book",
        ("Folio & Quill", "Paper Mill 1870"),
        "Recycled paper",
        _products(
            ("Thread-bound Notebook", 1490, "paper", "Lies flat at every page."),
            ("Pocket Memo Trio", 990, "paper", "Three for the price of forgetting."),
            ("Weekly Planner", 1990, "one", "Undated, so no guilt."),
            ("Fountain Pen", 4900, "color", "Steel nib, converter included."),
            ("Drafting Pencil", 1900, "color", "0.5 mm, brass grip."),
            ("Ink Bottle", 1200, "color", "Thirty millilitres, waterproof."),
            ("Desk Tray", 3400, "tone", "A place for what has none."),
            ("Letterpress Cards", 1600, "one", "Eight cards, eight envelopes."),
            ("Page Markers", 690, "one", "Brass, thin, thirty pieces."),
            ("Ruler Thirty", 1250, "tone", "True to the tenth."),
            ("Clipboard A4", 1790, "tone", "Beech with a spring that means it."),
            ("Wax Seal Kit", 2900, "one", "For letters worth opening."),
        ),
    ),
    DemoCategory(
        "Prints",
        "Desk",
        "frame",
        ("Studio Ombra", "Paper Mill 1870"),
        "Giclée on cotton paper",
        _products(
            ("Harbour at Dawn", 3900, "format", "Fog, cranes, one gull."),
            ("Alpine Line", 3900, "format", "A ridge in a single stroke."),
            ("Botanical Fern", 3400, "format", "After a plate of 1861."),
            ("City Grid", 3900, "format", "Streets as a weave."),
            ("Tide Chart", 4200, "format", "A year of water, hour by hour."),
            ("Abstract No. 7", 4500, "format", "Clay, moss, ink."),
            ("Night Train", 3900, "format", "Windows in a row."),
            ("Lemon Study", 3400, "format", "Still life, moving light."),
            ("Cyclist", 3900, "format", "Uphill, of course."),
            (
                "Constellations North",
                4200,
                "format",
                "What you'd see without the lamps.",
            ),
            ("Oak Frame", 4900, "tone", "Real glass, rag mount."),
            ("Hanging Rail", 2900, "tone", "Two magnets hold the sheet."),
        ),
    ),
    DemoCategory(
        "Garden",
        "Outdoor",
        "plant",
        ("Green Thumb Supply", "Field Coat Co."),
        "Forged steel and ash",
        _products(
            ("Hand Trowel", 2400, "one", "Forged in one piece."),
            ("Pruning Shears", 4900, "one", "Every part can be replaced."),
            ("Watering Can", 5900, "color", "Eight litres, brass rose."),
            ("Terracotta Pot", 1900, "size", "Frost-proof to minus fifteen."),
            ("Herb Seed Box", 1790, "one", "Twelve herbs, one windowsill."),
            ("Wildflower Mix", 890, "one", "Ten square metres for the bees."),
            ("Garden Twine", 790, "one", "A hundred metres of jute."),
            ("Kneeling Pad", 2200, "color", "Cork, so it floats if it must."),
            ("Leather Gloves", 3400, "size", "Goatskin: thorns stay out."),
            ("Bird Feeder", 3900, "tone", "Squirrels have tried."),
            ("Raised Bed Kit", 12900, "one", "Larch boards, steel corners."),
            ("Compost Sieve", 4500, "one", "Eight millimetre mesh."),
        ),
    ),
)

COLLECTIONS: dict[str, tuple[str, ...]] = {
    "New Arrivals": ("Café Serving Tray", "Rain Shell", "Linear Pendant", "Tide Chart"),
    "Gifts under 30": (
        "Stoneware Mug",
        "Letterpress Cards",
        "Key Loop",
        "Herb Seed Box",
    ),
    "The Quiet Desk": ("Arc Desk Lamp", "Fountain Pen", "Trestle Desk", "Desk Tray"),
    "Slow Sunday": ("Lambswool Throw", "Pour-over Dripper", "Bread Loaf Tin"),
}
