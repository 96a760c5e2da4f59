# Sourced by dist_train.sh and dist_test.sh.

# torchrun_py GPUS SCRIPT [arguments]: become a launcher that starts SCRIPT
# once per device; signals for this process then reach it.
# One machine gets a free port by itself unless PORT says which. MAX_RESTARTS
# starts all processes again when one fails, on all machines.
torchrun_py() {
    local gpus=$1 nodes=${NNODES:-1} node=${NODE_RANK:-0}
    local master=${MASTER_ADDR:-127.0.0.1} port=${PORT:-29500}
    local restarts=${MAX_RESTARTS:-0}
    shift
    local rendezvous=(
        --nnodes "$nodes" --node_rank "$node"
        --master_addr "$master" --master_port "$port"
    )
    if [ "$nodes" -eq 1 ] && [ -z "${PORT:-}" ]; then
        rendezvous=(--standalone)
    elif [ "$restarts" -gt 0 ]; then
        # only this one tells the other machines of a failure
        local host=false
        [ "$node" -ne 0 ] || host=true
        rendezvous=(
            --nnodes "$nodes" --rdzv_backend c10d
            --rdzv_endpoint "$master:$port" --rdzv_conf "is_host=$host"
            --rdzv_id "${RUN_ID:-m3i_mm}"
        )
    fi
    if [ "$restarts" -gt 0 ]; then
        # a shared store keeps the addresses of the processes that failed, and
        # the new ones wait for those: pytorch/pytorch#135712
        export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
    fi
    export PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}"
    exec "${PYTHON:-python}" -m torch.distributed.run \
        "${rendezvous[@]}" --max_restarts "$restarts" \
        --nproc_per_node "$gpus" "$@"
}
