"""Freed memory stays with the process: seen in the pages it has to fault in anew."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from unfreeze.training.allocator import keep_freed_memory

COUNT_FAULTS = """
import resource
from unfreeze.training.allocator import keep_freed_memory
print(keep_freed_memory())
block = bytearray(64 << 20)
del block
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    block = bytearray(64 << 20)
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def applied_and_faults(setting):
    environment = os.environ | {"UNFREEZE_ALLOCATOR": setting}
    done = subprocess.run([sys.executable, "-c", COUNT_FAULTS], capture_output=True, text=True, env=environment, check=True)
    applied, faults = done.stdout.split()
    return applied == "True", int(faults)


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(os, "confstr"), reason="glibc on Linux only")
def test_freed_blocks_are_used_again():
    if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
        pytest.skip("glibc only")
    kept, faults_kept = applied_and_faults("on")
    given_back, faults_given_back = applied_and_faults("off")
    assert (kept, given_back) == (True, False)
    assert faults_kept < faults_given_back / 2


def test_off_leaves_the_process_as_it_is(monkeypatch):
    monkeypatch.setenv("UNFREEZE_ALLOCATOR", "off")
    assert keep_freed_memory() is False
