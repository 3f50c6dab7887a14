"""Waits until something holds, for a bounded time."""
import time


def until(holds, what, seconds=60):
    end = time.time() + seconds
    while not holds():
        assert time.time() < end, f'after {seconds} s still not: {what}'
        time.sleep(0.05)
