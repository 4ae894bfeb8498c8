"""Several commands in one process of their own, one after the other: it pays for their imports once."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence

_MARK = b"\x00ended "

_CALLS = """
import json, os, sys
from heterodub.flows.cli.main import main

for words in json.loads(sys.argv[1]):
    sys.argv = ["heterodub", *(os.fsdecode(bytes.fromhex(word)) for word in words)]
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        stream.flush()
        os.write(number, b"\\0ended %d\\0" % code)
"""


def each_ended(commands: Sequence[Sequence[object]], **surroundings: str) -> list["subprocess.CompletedProcess[bytes]"]:
    """Run `heterodub` with the words of each command; an exception that it lets through ends all of them."""
    coded = [[os.fsencode(word if isinstance(word, bytes) else str(word)).hex() for word in one] for one in commands]
    words = [sys.executable, "-c", _CALLS, json.dumps(coded)]
    ran = subprocess.run(words, capture_output=True, timeout=600, env=os.environ | surroundings)
    assert ran.returncode == 0, ran.stderr.decode("utf-8", "replace")
    outputs = [stream.split(_MARK) for stream in (ran.stdout, ran.stderr)]
    (out, *outs), (error, *errors) = outputs
    results = []
    for one, next_out, next_error in zip(commands, outs, errors, strict=True):
        code, _, rest = next_out.partition(b"\0")
        results.append(subprocess.CompletedProcess(one, int(code), out, error))
        out, error = rest, next_error.partition(b"\0")[2]
    return results
