# Two of these still add up inside a 32-bit integer.
MAX_UNITS = 1_000_000_000
SWEEP_BATCH = 500
