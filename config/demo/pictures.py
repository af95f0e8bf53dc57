"""Product pictures for the demo shop: flat shapes on a tinted ground, as SVG text."""

from hashlib import sha256

SIZE = 800
GROUNDS = ("#f3ece2", "#e9eee6", "#e6ebf1", "#f4e9e6", "#efeaf3", "#eef0e4")
INKS = ("#c4694a", "#6d7f53", "#2f3e56", "#b08a3e", "#7a5a78", "#3f7078")

# Shapes are drawn around the middle of an 800 x 800 board; {a} and {b} are its two inks.
SHAPES = {
    "cup": '<path d="M250 300h260v190a110 110 0 0 1-110 110h-40a110 110 0 0 1-110-110z" fill="{a}"/>'
    '<path d="M510 345h45a75 75 0 0 1 0 150h-50" fill="none" stroke="{a}" stroke-width="34"/>'
    '<ellipse cx="380" cy="300" rx="130" ry="26" fill="{b}"/>'
    '<path d="M330 240q-25-40 0-80M385 240q-25-40 0-80M440 240q-25-40 0-80" fill="none" '
    'stroke="{b}" stroke-width="12" stroke-linecap="round" opacity=".5"/>',
    "pot": '<rect x="220" y="350" width="360" height="220" rx="46" fill="{a}"/>'
    '<rect x="200" y="322" width="400" height="40" rx="20" fill="{b}"/>'
    '<circle cx="400" cy="300" r="26" fill="{b}"/>'
    '<path d="M220 410h-60M580 410h60" stroke="{b}" stroke-width="30" stroke-linecap="round"/>',
    "lamp": '<path d="M320 230h160l80 190H240z" fill="{a}"/>'
    '<rect x="388" y="420" width="24" height="180" fill="{b}"/>'
    '<rect x="300" y="596" width="200" height="26" rx="13" fill="{b}"/>'
    '<path d="M260 440l-50 120M540 440l50 120" stroke="{b}" stroke-width="8" opacity=".3"/>',
    "fold": '<rect x="220" y="300" width="360" height="90" rx="45" fill="{a}"/>'
    '<rect x="220" y="390" width="360" height="90" rx="45" fill="{b}"/>'
    '<rect x="220" y="480" width="360" height="90" rx="45" fill="{a}" opacity=".75"/>',
    "chair": '<path d="M280 200h40v220h200v-40h40v240h-40V470H320v150h-40z" fill="{a}"/>'
    '<rect x="262" y="408" width="318" height="52" rx="14" fill="{b}"/>',
    "bag": '<path d="M240 340h320l34 270H206z" fill="{a}"/>'
    '<path d="M320 350v-50a80 80 0 0 1 160 0v50" fill="none" stroke="{b}" stroke-width="26"/>'
    '<rect x="330" y="440" width="140" height="90" rx="12" fill="{b}" opacity=".6"/>',
    "shirt": '<path d="M310 220l90 50 90-50 130 80-60 110-50-26v236H290V384l-50 26-60-110z" fill="{a}"/>'
    '<path d="M310 220q90 110 180 0" fill="none" stroke="{b}" stroke-width="20"/>',
    "book": '<rect x="260" y="220" width="290" height="370" rx="14" fill="{a}"/>'
    '<rect x="260" y="220" width="46" height="370" fill="{b}"/>'
    '<rect x="350" y="300" width="150" height="16" rx="8" fill="{b}" opacity=".6"/>'
    '<rect x="350" y="336" width="100" height="16" rx="8" fill="{b}" opacity=".6"/>',
    "frame": '<rect x="230" y="190" width="340" height="430" fill="{a}"/>'
    '<rect x="258" y="218" width="284" height="374" fill="#fffdf8"/>'
    '<circle cx="460" cy="320" r="48" fill="{b}"/>'
    '<path d="M258 592V480l90-90 80 80 50-40 64 64v98z" fill="{a}" opacity=".8"/>',
    "plant": '<path d="M300 470h200l-30 150H330z" fill="{a}"/>'
    '<rect x="280" y="440" width="240" height="44" rx="12" fill="{a}"/>'
    '<path d="M400 440C400 330 320 280 250 270c0 90 60 150 150 170zM400 440c0-140 70-200 160-220'
    '-4 110-70 190-160 220z" fill="{b}"/>',
}


def product_svg(*, title: str, shape: str, ink: str = "") -> str:
    """Draw a product. The same arguments always give the same picture."""
    digest = sha256(title.encode()).digest()
    ground = GROUNDS[digest[0] % len(GROUNDS)]
    first = ink or INKS[digest[1] % len(INKS)]
    second = INKS[(digest[1] + 1 + digest[2] % (len(INKS) - 1)) % len(INKS)]
    turn = digest[3] % 9 - 4
    drawing = SHAPES[shape].format(a=first, b=second)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" '
        f'width="{SIZE}" height="{SIZE}"><rect width="{SIZE}" height="{SIZE}" fill="{ground}"/>'
        f'<ellipse cx="400" cy="640" rx="210" ry="22" fill="#000" opacity=".08"/>'
        f'<g transform="rotate({turn} 400 400)">{drawing}</g></svg>'
    )
