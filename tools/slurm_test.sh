#!/usr/bin/env bash
# Evaluate a checkpoint on a Slurm cluster; see slurm_train.sh.
#   tools/slurm_test.sh PARTITION JOB CONFIG CHECKPOINT [arguments of test.py]
set -euo pipefail

if [ $# -lt 4 ]; then
    echo "usage: $0 PARTITION JOB CONFIG CHECKPOINT [arguments of test.py]" >&2
    exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
partition=$1
job=$2
shift 2
. "$here/_srun.sh"
srun_py "$partition" "$job" "$here/test.py" "$@" --launcher slurm
