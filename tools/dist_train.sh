#!/usr/bin/env bash
# Train on several devices of one machine, or of several with NNODES.
# Without a GPU the processes share the CPU (gloo).
#   tools/dist_train.sh CONFIG GPUS [arguments of train.py]
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.1.1.1 PORT=29500 tools/dist_train.sh ...
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [arguments of train.py]" >&2
    exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
config=$1
gpus=$2
shift 2
. "$here/_torchrun.sh"
torchrun_py "$gpus" "$here/train.py" "$config" --launcher pytorch "$@"
