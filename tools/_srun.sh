# Sourced by slurm_train.sh and slurm_test.sh.

# srun_py PARTITION JOB SCRIPT [arguments]: one task per GPU.
# Environment: GPUS (8), GPUS_PER_NODE (8), CPUS_PER_TASK (5), SRUN_ARGS.
srun_py() {
    local partition=$1 job=$2
    shift 2
    local gpus=${GPUS:-8} per_node=${GPUS_PER_NODE:-8}
    if [ "$per_node" -gt "$gpus" ]; then
        per_node=$gpus
    fi
    export PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}"
    # shellcheck disable=SC2086 # SRUN_ARGS holds several arguments
    exec srun --partition "$partition" --job-name "$job" \
        --gres "gpu:$per_node" --ntasks "$gpus" \
        --ntasks-per-node "$per_node" \
        --cpus-per-task "${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
        ${SRUN_ARGS:-} "${PYTHON:-python}" -u "$@"
}
