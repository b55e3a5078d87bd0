from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def golden():
    """Folder of what the public code really gives; numbers and masks only."""
    return Path(__file__).parents[1] / "data" / "golden"
