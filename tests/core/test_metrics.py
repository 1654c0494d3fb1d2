"""What a process tells Prometheus of its connections."""

from core.database import Database
from core.metrics import metrics_text, watch_pool


def told() -> list[str]:
    return [line for line in metrics_text().decode().splitlines() if "pool=" in line and '"test' in line]


def test_the_connections_of_confined_readers_are_a_pool_of_their_own(confined: Database) -> None:
    watch_pool(confined, "test", size=2)
    name = "outlay_database_connections_in_use"
    with confined.reading_rows(), confined.reading_as(None) as session, confined.snapshot_rows_as(None):
        assert session.connection()
        assert f'{name}{{pool="test"}} 1.0' in told()
        assert f'{name}{{pool="test_reader"}} 2.0' in told()
    assert f'{name}{{pool="test_reader"}} 0.0' in told()
    assert 'outlay_database_connections_max{pool="test_reader"} 2.0' in told()
