"""Processes that train together on the CPU."""

import multiprocessing
import os
import socket


def _enter(rank, number, port, function, args):
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(number),
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
    )
    function(rank, *args)


def run_two_processes(function, *args, method='fork'):
    """Call ``function(rank, *args)`` on two ranks; they must both succeed.

    A forked process cannot run a backward pass if another test compiled a
    model and ran one before: ``method='spawn'``, of a function of a module.
    """
    run_processes(2, function, *args, method=method)


def run_processes(number, function, *args, method='fork', timeout=300):
    """Call ``function(rank, *args)`` on ranks; they must all succeed."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context(method)
    processes = [
        context.Process(
            target=_enter, args=(rank, number, port, function, args)
        )
        for rank in range(number)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=timeout)
    for process in processes:
        if process.is_alive():
            # it waits for one that failed, and would wait after the test
            process.kill()
            process.join()
    assert [process.exitcode for process in processes] == [0] * number
