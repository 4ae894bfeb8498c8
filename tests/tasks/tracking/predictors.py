"""Logged models, loaded as MLflow loads them."""

import sys
from contextlib import contextmanager

import mlflow

from heterodub.tasks.tracking.models import fetch_model


def load_predictor(tracking, version, folder):
    """The version as an mlflow.pyfunc.PyFuncModel; `folder` keeps its files and must outlive it.

    In this process it runs on our own code, not on the logged copy, which a process of its own would use.
    """
    fetched = fetch_model(tracking, version, folder)
    with search_path_kept():
        return mlflow.pyfunc.load_model(str(fetched))


@contextmanager
def search_path_kept():
    """MLflow puts a model's code before ours on the search path, and leaves it there."""
    before = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = before
