#!/usr/bin/env bash
# Train on a Slurm cluster, one task per GPU.
#   [GPUS=8 GPUS_PER_NODE=8 CPUS_PER_TASK=8 SRUN_ARGS=...] \
#   tools/slurm_train.sh PARTITION JOB CONFIG [arguments of train.py]
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 PARTITION JOB CONFIG [arguments of train.py]" >&2
    exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
partition=$1
job=$2
shift 2
. "$here/_srun.sh"
srun_py "$partition" "$job" "$here/train.py" "$@" --launcher slurm
