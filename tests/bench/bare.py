"""One bare loop over the files named, in a process of its own; prints JSON."""

import json
import resource
import sys
from pathlib import Path

from heterodub.schemas.config.settings import load_settings
from tests.bench.loop import Loop

if __name__ == "__main__":
    loop = Loop(load_settings()).run([Path(name) for name in sys.argv[1:]])
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = {"seconds": loop.seconds, "media_s": loop.media_s, "factor": loop.media_s / loop.seconds}
    print(json.dumps(answer | {"peak_mib": peak_kib / 1024, "spent": dict(loop.spent)}))
