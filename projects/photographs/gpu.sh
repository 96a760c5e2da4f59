#!/usr/bin/env bash
# What one GPU is to show, in pieces of under ten minutes, 25 in all on an H100
# (planned, not measured):
#
#   bash projects/photographs/gpu.sh op      tests and benchmark of DCNv3, 8 min
#   bash projects/photographs/gpu.sh steps   a step of each pre-training, 5 min
#   bash projects/photographs/gpu.sh train   M3I on CIFAR-10 and Flickr8k, 10
#                                            min; again: goes on where it was
#   bash projects/photographs/gpu.sh test    its properties, 2 min
#
# DATA is the folder of the sets, OUT takes the results (JSON, and what is
# printed), PYTHON is the interpreter. A piece that is done is not repeated.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
DATA=${DATA:-data/photographs}
OUT=${OUT:-work_dirs/photographs_gpu}
PYTHON=${PYTHON:-python}
CONFIG=configs/m3i/m3i_resnet18_1xb512-amp-coslr-60e_cifar10-flickr8k.py
mkdir -p "$OUT"

once() {  # once NAME.done COMMAND...: the file says that it succeeded
  [ -e "$OUT/$1" ] || { "${@:2}" | tee "$OUT/${1%.done}.md"; touch "$OUT/$1"; }
}

case "${1:-}" in
  op)
    once op-tests.done timeout 240 "$PYTHON" -m pytest -q tests/test_ops
    for dtype in float32 bfloat16; do
      once "dcnv3-$dtype.done" timeout 120 "$PYTHON" \
        tools/analysis_tools/benchmark_dcnv3.py --dtype $dtype \
        --image-sizes 224x224 --batch-size 64 --out "$OUT/dcnv3-$dtype"
    done
    ;;
  steps)
    once steps.done timeout 300 "$PYTHON" \
      tools/analysis_tools/benchmark_pretrain.py \
      configs/m3i/m3i_vit-base-p16_32xb128-amp-coslr-400e_in1k.py
    ;;
  train)
    # 124: the time is up, and the last epoch is kept
    timeout 570 "$PYTHON" tools/train.py $CONFIG --work-dir "$OUT/m3i" \
      --resume --no-validate --cfg-options data_root="$DATA" || [ $? = 124 ]
    ;;
  test)
    timeout 300 "$PYTHON" tools/test.py $CONFIG \
      "$(cat "$OUT/m3i/last_checkpoint")" --out "$OUT/m3i.json" \
      --cfg-options data_root="$DATA"
    ;;
  *)
    sed -n '2,13s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
