"""The examples run as a stranger would run them, and say what they promise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"

EXAMPLES = {
    "own_network.py": "pooled features: (2, 64)",
    "sparse_voxels.py": "voxel features: (2, 128)",
    "own_folder.py": "svm-cv pretrained: ",
    "embed_arrays.py": "embedded: (20, 64)",
    "own_protocol.py": "nearest-mean pretrained: ",
    "own_classifier.py": "page: interactions.html",
}
"""Each file, and words that it prints at its end."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_example__runs_from_any_folder(name: str, tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(FOLDER / name)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert EXAMPLES[name] in done.stdout
    assert list(tmp_path.iterdir()) == []  # an example leaves nothing behind
