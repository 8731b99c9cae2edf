import subprocess
import sys

CODE = """
from isoflop.search.openvino_quietly import core, signal_stack
before = signal_stack()
core()
from isoflop.search.encode import load
load("minilm").encode(["The harbour was dredged in 1932."])
print(before, signal_stack())
"""


def test_encoding_leaves_the_signal_stack_as_it_was() -> None:
    command = [sys.executable, "-c", CODE]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after = told.stdout.split()
    assert before == after
