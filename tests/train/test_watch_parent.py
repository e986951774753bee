from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

SCRIPT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", '''
import time
from sctabnet.train.watch_parent import watch_parent
watch_parent()
print("watching", flush=True)
time.sleep(120)
'''])
time.sleep(120)
"""


def test_a_process_ends_when_its_launcher_is_killed():
    """Its end of the pipe closes only when both are gone."""
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout.readline() == b"watching\n"
        before = time.monotonic()
        os.kill(launcher.pid, signal.SIGKILL)
        assert launcher.stdout.read() == b""
        assert time.monotonic() - before < 60
