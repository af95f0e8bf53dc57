"""Every small change of the buckets' Lua text is noticed by what is tried here."""

import re
import time
from uuid import uuid4

import pytest
import redis
from django.conf import settings

from core.protection.token_bucket import SCRIPT

CHANGES = {
    r"(?<= )\+(?= )": "-",
    r"(?<= )-(?= )": "+",
    r"(?<= )\*(?= )": "/",
    r"(?<= )/(?= )": "*",
    r"(?<= )<(?= )": ">=",
    r"==": "~=",
    r"\band\b": "or",
    r"\bor\b": "and",
    r"\bnot\b": "",
    r"math\.min": "math.max",
    r"math\.max": "math.min",
    r"math\.ceil": "math.floor",
    r"\bfalse\b": "true",
    r"(?<== )true\b": "false",
    r"'1'": "'0'",
    r"\b1000000\b": "1000",
    r"\b1000\b": "100",
    r"%\.17g": "%.0f",
    r"'PEXPIRE'": "'EXPIRE'",
    r"\b4\b": "5",
    r"(?<= )3\b": "2",
}


# A bucket that is forgotten up to a millisecond sooner.
UNNOTICED = "line24-math.ceil-to-math.floor"


def mutants():
    for pattern, new in CHANGES.items():
        for match in re.finditer(pattern, SCRIPT):
            text = SCRIPT[: match.start()] + new + SCRIPT[match.end() :]
            line = SCRIPT[: match.start()].count("\n")
            name = f"line{line}-{match.group()}-to-{new}"
            is_comment = SCRIPT.splitlines()[line].strip().startswith("--")
            if not is_comment and name != UNNOTICED:
                yield pytest.param(text, id=name)


class Trial:
    """Tries a script on buckets of its own."""

    def __init__(self, client, script):
        self.client = client
        self.script = script
        self.keys = []

    def bucket(self, tokens=None, age=0.0):
        key = f"{{mutant}}:{uuid4()}"
        self.keys.append(key)
        if tokens is not None:
            at = int((time.time() - age) * 1e6)
            self.client.hset(key, mapping={"tokens": tokens, "at": at})
        return key

    def take(self, *wanted):
        """Each: key, capacity, rate, cost, refuses. Answers tokens and milliseconds."""
        keys = [key for key, *_ in wanted]
        numbers = [number for _, *rest in wanted for number in rest]
        flat = self.client.eval(self.script, len(keys), *keys, *numbers)
        return [(float(flat[n]), flat[n + 1]) for n in range(0, len(flat), 2)]

    def stored(self, key):
        return float(self.client.hget(key, "tokens") or -1)

    def run(self):
        near = pytest.approx
        fresh = self.bucket()
        assert self.take((fresh, 10, 0.5, 3, 1)) == [(7, 0)]
        assert self.stored(fresh) == 7
        assert 6500 < self.client.pttl(fresh) <= 7000

        gaining = self.bucket(2, age=1)
        assert self.take((gaining, 10, 4, 1, 1)) == [(near(5, abs=0.5), 0)]
        full = self.bucket(2, age=1000)
        assert self.take((full, 10, 1, 1, 1)) == [(9, 0)]
        ahead = self.bucket(5, age=-100)
        assert self.take((ahead, 10, 1, 1, 1)) == [(4, 0)]

        whole, empty = self.bucket(), self.bucket(0)
        first, second = self.take((whole, 10, 0.5, 3, 1), (empty, 20, 0.001, 2.5, 1))
        assert first == (10, 0)
        assert second == (near(0, abs=0.01), near(2_500_000, rel=0.01))
        assert not self.client.exists(whole)
        assert self.stored(empty) == 0

        both = (self.bucket(), 10, 1, 3, 1), (self.bucket(5), 20, 0.001, 1, 1)
        assert self.take(*both) == [(7, 0), (near(4, abs=0.01), 0)]

        dark = self.bucket(0)
        answer = self.take((dark, 10, 0.001, 1, 0), (whole, 10, 0.001, 3, 1))
        assert answer == [(near(0, abs=0.01), near(1_000_000, rel=0.01)), (7, 0)]
        assert (self.stored(dark), self.stored(whole)) == (0, 7)

        back = self.bucket(8)
        assert self.take((back, 10, 0.001, -5, 1)) == [(10, 0)]
        parts = self.bucket(0.75)
        assert self.take((parts, 10, 1e-6, 0.5, 1)) == [(near(0.25), 0)]
        assert self.stored(parts) == near(0.25, abs=1e-3)

        rounded = self.bucket(1 - 5e-10)
        assert self.take((rounded, 1, 1e-3, 1, 1)) == [(0, 0)]
        exact = self.bucket(0.9)
        [(_, wait)] = self.take((exact, 1, 1e-3, 1, 1))
        assert wait == near(100_000, rel=0.05)
        [(_, brief)] = self.take((self.bucket(0.9999, age=-100), 1, 1, 1, 1))
        assert brief == 1


@pytest.fixture
def trial():
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        made = []

        def make(script):
            made.append(Trial(client, script))
            return made[-1]

        yield make
        for one in made:
            if one.keys:
                client.delete(*one.keys)


def test_the_script_passes_its_trial(trial):
    trial(SCRIPT).run()


@pytest.mark.parametrize("script", list(mutants()))
def test_a_changed_script_does_not(trial, script):
    with pytest.raises((AssertionError, redis.ResponseError, LookupError, ValueError)):
        trial(script).run()
