"""What NVIDIA's assembler says of a kernel, without a GPU."""

import re
import subprocess
import tempfile

from triton.backends.nvidia.compiler import get_ptxas


def assemble(ptx, architecture):
    """Return registers and spilled bytes."""
    name = f'sm_{architecture}{"a" if architecture == 90 else ""}'
    with tempfile.NamedTemporaryFile('w', suffix='.ptx') as file:
        file.write(ptx)
        file.flush()
        said = subprocess.run(
            [
                get_ptxas(architecture).path,
                *('-v', f'--gpu-name={name}'),
                *(file.name, '-o', '/dev/null'),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stderr
    return (
        int(re.search(r'Used (\d+) registers', said)[1]),
        int(re.search(r'(\d+) bytes spill stores', said)[1]),
    )
