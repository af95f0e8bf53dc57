"""Whether the time of an answer tells one case from another."""

import gc
import random
import statistics
import time

TIMES = 200
WARMING_UP = 20
CLOSE = 0.05
# What a busy machine does to one measurement it doesn't do to three; what the code does,
# it does to each.
ATTEMPTS = 3


def assert_same_time(cases):
    """Call each case hundreds of times, in turns; their medians are within 5 %.

    By the clock of this thread: what other processes of the machine take isn't ours.
    """
    for _ in range(ATTEMPTS):
        middles = _medians(cases)
        if max(middles.values()) <= min(middles.values()) * (1 + CLOSE):
            return
    raise AssertionError(f"Medians in milliseconds: {middles}")


def _medians(cases):
    names = list(cases)
    times = {name: [] for name in names}
    gc.disable()
    try:
        for turn in range(TIMES + WARMING_UP):
            # Whoever comes after whom must not matter.
            random.shuffle(names)
            for name in names:
                started = time.thread_time()
                cases[name]()
                if turn >= WARMING_UP:
                    times[name].append(time.thread_time() - started)
    finally:
        gc.enable()
    return {name: statistics.median(taken) * 1000 for name, taken in times.items()}
