"""The real payment simulator, as a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orders.payments.provider import Outcome, OutcomeStatus


@dataclass(frozen=True)
class Simulator:
    url: str
    ledger: Path
    process: "subprocess.Popen[str]"

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.ledger.read_text().splitlines()]

    def kinds_of(self, key: str) -> list[str]:
        """Name what the provider did for our payment, in order."""
        return [line["kind"] for line in self.lines() if line["payment"]["key"] == key]


class SilentProvider:
    """A provider whose answers are lost on the way, whatever it did."""

    code = "simulated"
    methods = frozenset({"sim_ok"})

    def __init__(self, found=None):
        self.found = found
        self.asked = 0

    def authorize(self, charge):
        self.asked += 1
        return Outcome(OutcomeStatus.UNKNOWN)

    def find(self, key):
        return self.found

    def void(self, reference, *, key):
        return Outcome(OutcomeStatus.VOIDED, reference=reference)

    def refund(self, reference, *, amount, key):
        return Outcome(OutcomeStatus.REFUNDED, reference=reference)

    def close(self):
        pass


@contextmanager
def run_simulator(ledger: Path, *, port: int = 0) -> Iterator[Simulator]:
    command = [
        sys.executable,
        "-m",
        "orders.payments.simulator",
        "--port",
        str(port),
        "--ledger",
        str(ledger),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            yield Simulator(url, ledger, process)
        finally:
            process.kill()
