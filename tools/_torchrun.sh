# Sourced by dist_train.sh and dist_test.sh.

# torchrun_py GPUS SCRIPT [arguments]: start SCRIPT once per device.
# One machine gets a free port by itself unless PORT says which.
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
    PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}" \
        "${PYTHON:-python}" -m torch.distributed.run \
        "${rendezvous[@]}" --nproc_per_node "$gpus" "$@"
}
