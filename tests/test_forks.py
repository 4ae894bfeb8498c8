"""Forked processes end, fail and are killed as those of a new interpreter."""

import os
import signal
import subprocess

import pytest

from tests import forks


def test_words_run_in_a_process_of_their_own(tmp_path):
    code = "import os, sys; print(os.getpid(), os.getcwd(), os.environ['IT'], *sys.argv[1:]); sys.exit(3)"
    ended = forks.server.run(["-c", code, "one", 2], tmp_path, os.environ | {"IT": "yes"})
    pid, *others = ended.stdout.split()
    assert int(pid) != os.getpid()
    assert (ended.returncode, others, ended.stderr) == (3, [str(tmp_path), "yes", "one", "2"], "")


def test_script_and_module_run_as_main(tmp_path):
    (tmp_path / "said.py").write_text("import sys; print(__name__, len(sys.argv))")
    for words in ([tmp_path / "said.py", "x"], ["-m", "said", "x"]):
        assert forks.server.run(words, tmp_path).stdout == "__main__ 2\n"


def test_error_is_shown_and_is_status_1():
    ended = forks.server.run(["-c", "1 / 0"])
    assert ended.returncode == 1 and "ZeroDivisionError" in ended.stderr
    assert forks.server.run(["-c", "import sys; sys.exit('no')"]).stderr == "no\n"


def test_signal_ends_a_process_and_is_its_status(tmp_path):
    with (tmp_path / "out").open("w+") as out:
        process = forks.server.popen(["-c", "import time; time.sleep(600)"], out, out)
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.kill()
        assert process.wait(60) == process.poll() == -signal.SIGKILL
