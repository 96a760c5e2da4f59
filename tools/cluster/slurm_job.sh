#!/usr/bin/env bash
# A job that trains until it is done, whatever ends it on the way.
#   sbatch tools/cluster/slurm_job.sh CONFIG [arguments of train.py]
# Slurm warns the ranks two minutes before the time limit; they save, and the
# job puts itself back into the queue. A node that fails does the same.
#SBATCH --job-name=m3i
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gres=gpu:8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -uo pipefail

# Slurm runs a copy of this file: start from the folder of sbatch
cd "${SLURM_SUBMIT_DIR:-.}" || exit 2
# without exec, so that the exit code can be looked at
srun --kill-on-bad-exit=1 python -u tools/train.py "$@" \
    --launcher slurm --resume
code=$?
# 138: stopped by SIGUSR1 (128 + 10) after saving
if [ "$code" -eq 138 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
