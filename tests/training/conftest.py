import pytest

from training.pool import Pool


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """Three people."""
    pool = Pool.open(tmp_path_factory.mktemp("pool"), 3)
    pool.fill(seed=1, places=range(3))
    return pool
