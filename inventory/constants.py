from datetime import timedelta

# Two of these still add up inside a 32-bit integer.
MAX_UNITS = 1_000_000_000
SWEEP_BATCH = 500
# No hold stays active for longer after its time.
SWEEP_DEADLINE = timedelta(seconds=60)
