"""A PostgreSQL of the tests' own, by Debian's programs, on loopback, with a password; for as long as a block runs."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tasks.tracking.served import free_port

PASSWORD = "hunter2-of-the-database"


def programs() -> Path | None:
    """The folder of initdb and pg_ctl, of the newest version that is installed."""
    result = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: float(path.parts[4]))
    return result[-1].parent if result else None


@contextmanager
def postgres(bin_folder: Path) -> Iterator[str]:
    """Yields user, password, host and port as they stand in an address. It refuses to run as root, so another does."""
    folder, port = Path(tempfile.mkdtemp(prefix="heterodub-postgres-")), free_port()
    user = _not_root()
    if user is not None:
        os.chown(folder, *user)
    (folder / "word").write_text(PASSWORD)

    def call(program: str, *words: str) -> None:
        surroundings = {"PATH": os.environ["PATH"], "PGPASSWORD": PASSWORD, "LC_ALL": "C.UTF-8"}
        command, log = [str(bin_folder / program), *words], folder / "calls.log"
        with log.open("ab") as output:
            done = subprocess.run(
                command,
                cwd=folder,
                env=surroundings,
                stdout=output,
                stderr=output,
                user=user and user[0],
                group=user and user[1],
            )
        if done.returncode:
            raise RuntimeError(f"{program}: {log.read_text()[-2000:]}")

    data, log = str(folder / "data"), str(folder / "server.log")
    try:
        call("initdb", "-D", data, "-U", "tester", "-A", "scram-sha-256", "--pwfile", str(folder / "word"), "--no-sync")
        options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off -c max_connections=50"
        call("pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
        try:
            for name in ("prefect", "mlflow"):
                call("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "tester", name)
            yield f"tester:{PASSWORD}@127.0.0.1:{port}"
        finally:
            call("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def _not_root() -> tuple[int, int] | None:
    if os.geteuid():
        return None
    names = {entry.pw_name: (entry.pw_uid, entry.pw_gid) for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]
