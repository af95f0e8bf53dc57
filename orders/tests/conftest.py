import pytest

from orders.payments.registry import close_providers
from orders.tests.simulating import SilentProvider, run_simulator


@pytest.fixture(scope="session")
def simulator_process(tmp_path_factory):
    ledger = tmp_path_factory.mktemp("simulator") / "ledger.jsonl"
    with run_simulator(ledger) as simulator:
        yield simulator


@pytest.fixture
def simulator(simulator_process, settings):
    """Pay with the worker's simulator."""
    settings.PAYMENT_SIMULATOR_URL = simulator_process.url
    yield simulator_process
    close_providers()


@pytest.fixture
def own_simulator(tmp_path, settings):
    """Pay with a simulator that nobody else uses."""
    with run_simulator(tmp_path / "ledger.jsonl") as simulator:
        settings.PAYMENT_SIMULATOR_URL = simulator.url
        yield simulator
        close_providers()


@pytest.fixture
def silent(monkeypatch):
    provider = SilentProvider()
    offered = {"simulated": provider}
    for module in ("_placing", "_paying"):
        monkeypatch.setattr(
            f"orders.services.{module}.offered_providers", lambda: offered
        )
    return provider
