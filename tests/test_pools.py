"""Pools whose program is killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from m3i_mm.datasets.converters import parallel
from m3i_mm.utils.processes import follow_parent

def work(item):
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == '__main__':
    if sys.argv[1] == 'fork':
        parallel.map_processes(work, [0, 1], 2, 'work')
    with ProcessPoolExecutor(
        2, get_context('spawn'), initializer=follow_parent
    ) as pool:
        list(pool.map(work, [0, 1]))
"""


def is_alive(process):
    try:
        with open(f'/proc/{process}/stat') as file:
            # ended, and not yet looked after by anyone
            return file.read().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.isdir('/proc/self'), reason='no /proc')
@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_a_pool_ends_with_its_killed_program(tmp_path, method):
    script = tmp_path / 'program.py'
    script.write_text(PROGRAM)
    program = subprocess.Popen(
        [sys.executable, script, method],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
    )
    workers = [int(program.stdout.readline()) for _ in range(2)]
    assert all(map(is_alive, workers))
    program.send_signal(signal.SIGKILL)
    program.wait()
    for _ in range(300):
        if not any(map(is_alive, workers)):
            return
        time.sleep(0.1)
    pytest.fail(f'{workers} are left')
