"""No test reads the real folder unless it says so, and none reaches the network."""

import pytest
import sklearn.datasets

from compressibility.data.archives import FOLDER_VARIABLE


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Take away the folder's name and the fetchers."""

    def refuse(*_, **__):
        raise OSError("no network in tests")

    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", refuse)
    monkeypatch.setattr(sklearn.datasets, "fetch_california_housing", refuse)
