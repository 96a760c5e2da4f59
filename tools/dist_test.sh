#!/usr/bin/env bash
# Evaluate a checkpoint on several devices; see dist_train.sh.
#   tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [arguments of test.py]" >&2
    exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
config=$1
checkpoint=$2
gpus=$3
shift 3
. "$here/_torchrun.sh"
torchrun_py "$gpus" "$here/test.py" "$config" "$checkpoint" \
    --launcher pytorch "$@"
