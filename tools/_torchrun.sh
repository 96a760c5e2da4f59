# Sourced by dist_train.sh and dist_test.sh.

# torchrun_py GPUS SCRIPT [arguments]: become a launcher that starts SCRIPT
# once per device; signals for this process then reach it.
# One machine gets a free port by itself unless PORT says which. MAX_RESTARTS
# starts all processes again when one fails.
torchrun_py() {
    local gpus=$1
    shift
    local rendezvous=(--standalone)
    if [ "${NNODES:-1}" -gt 1 ] || [ -n "${PORT:-}" ]; then
        rendezvous=(
            --nnodes "${NNODES:-1}"
            --node_rank "${NODE_RANK:-0}"
            --master_addr "${MASTER_ADDR:-127.0.0.1}"
            --master_port "${PORT:-29500}"
        )
    fi
    export PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}"
    exec "${PYTHON:-python}" -m torch.distributed.run \
        "${rendezvous[@]}" --max_restarts "${MAX_RESTARTS:-0}" \
        --nproc_per_node "$gpus" "$@"
}
