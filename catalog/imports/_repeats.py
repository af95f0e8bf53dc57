class Repeats:
    """Finds what occurs twice in a stream, in fixed memory.

    It may name a few that occur once, and misses none: two texts can share a bit.
    """

    def __init__(self, bits: int = 2**26) -> None:
        self._mask = bits - 1
        self._seen = bytearray(bits // 8)
        self.found: set[str] = set()

    def add(self, text: str) -> None:
        index, bit = divmod(hash(text) & self._mask, 8)
        if self._seen[index] & (1 << bit):
            self.found.add(text)
        self._seen[index] |= 1 << bit
