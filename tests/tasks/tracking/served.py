"""A real MLflow server."""

import os
from pathlib import Path

from tests.served import ServerProgram, free_port

__all__ = ["Server", "free_port"]


class Server(ServerProgram):
    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.uri, self.database = f"http://127.0.0.1:{port}", folder / "server.db"
        words = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        words += ["--backend-store-uri", f"sqlite:///{self.database}"]
        words += ["--artifacts-destination", str(folder / "files")]
        surroundings = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        surroundings.pop("MLFLOW_TRACKING_URI", None)
        super().__init__(folder, "server", words, surroundings, f"{self.uri}/health")
