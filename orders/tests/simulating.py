"""The real payment simulator, as a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
