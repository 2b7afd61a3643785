#!/usr/bin/env bash
# All tests and measurements that need a GPU.
#
#   scripts/measure-gpu.sh build KIT         builds the programs and puts them into the folder KIT
#   scripts/measure-gpu.sh run KIT DATA OUT  on the machine with the GPU, which needs neither cargo nor a toolkit: runs
#                                            the tests of the back end, compute-sanitizer where there is one, then the
#                                            measurements on DATA; logs, JSON lines and figures go to the folder OUT
#
# The CUDA 13 libraries have to be on the loader's path; those of the Python wheels are found without it.
set -euo pipefail

build() {
    local kit=$1 root test
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    mkdir -p "$kit"
    kit=$(cd "$kit" && pwd)
    cd "$root"
    cargo build --release --locked -p cvx-cli -p cvx-bench --features cvx-cli/cuda,cvx-bench/cuda
    cp target/release/cvx target/release/cvx-bench "$kit"
    for test in cvx-linalg cvx-admm; do
        cargo test --no-run --locked -p "$test" --features cuda --test cuda
        # The second time cargo only prints where the test is.
        cp "$(cargo test --no-run --locked -p "$test" --features cuda --test cuda 2>&1 |
            sed -n 's/.*Executable.*(\(.*\)).*/\1/p')" "$kit/test-$test"
    done
    cp scripts/measure-gpu.sh "$kit"
    git rev-parse HEAD >"$kit/revision"
    echo "$kit: $(du -sh "$kit" | cut -f1)"
}

run() {
    local kit data=$2 out=$3 failed=0 wheels test
    kit=$(cd "$1" && pwd)
    mkdir -p "$out"
    wheels=$(python3 - 2>/dev/null <<'END' || true
import glob, site
folders = [*site.getsitepackages(), site.getusersitepackages()]
print(":".join(lib for folder in folders for lib in glob.glob(folder + "/nvidia/*/lib")))
END
    )
    export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$wheels" CVX_REQUIRE_CUDA=1
    nvidia-smi >"$out/nvidia-smi.txt" 2>&1 || true
    cp "$kit/revision" "$out"

    for test in cvx-linalg cvx-admm; do
        step "$out" "$test" "$kit/test-$test" || failed=1
    done
    if command -v compute-sanitizer >/dev/null; then
        for tool in memcheck racecheck initcheck; do
            step "$out" "sanitizer-$tool" compute-sanitizer --tool "$tool" --error-exitcode 1 \
                "$kit/test-cvx-linalg" cuda_f32 || failed=1
        done
    else
        echo "there is no compute-sanitizer: not run" | tee "$out/sanitizer.log"
    fi
    step "$out" train "$kit/cvx" train --data "$data" --patterns 50 --beta 10 --gap 1e-3 --device cuda \
        --json "$out/train.json" || failed=1
    step "$out" verbs "$kit/cvx-bench" verbs --device cuda --json "$out/verbs.jsonl" || failed=1
    step "$out" bench-gpu "$kit/cvx-bench" gpu --require --data "$data" --repeats "$REPEATS" \
        --time-limit "$TIME_LIMIT" --contenders "$CONTENDERS" --sizes "$SIZES" --json "$out/gpu.jsonl" \
        --out "$out/figures" || failed=1
    return "$failed"
}

# The fast ones: the others take minutes on the processor. `cvx-bench gpu` without --contenders runs all.
CONTENDERS=${CONTENDERS:-cholesky,gram-pcg,Adam 0.0001}
# Each runs for two goals, on the GPU and on the processor: with these limits 15 minutes at most.
REPEATS=${REPEATS:-2}
TIME_LIMIT=${TIME_LIMIT:-60}
SIZES=${SIZES:-2000x300x50,10000x300x50,2000x3000x50,2000x300x500}

# Runs a command and writes its output to a file of its own.
step() {
    local out=$1 name=$2
    shift 2
    echo "==> $name"
    if "$@" >"$out/$name.log" 2>&1; then
        tail -n 3 "$out/$name.log"
    else
        echo "FAILED: $name, see $out/$name.log"
        tail -n 20 "$out/$name.log"
        return 1
    fi
}

case ${1:-} in
build) build "${2:?the folder of the kit}" ;;
run) run "${2:?the folder of the kit}" "${3:?the data}" "${4:?the folder for what comes out}" ;;
*) sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 2 ;;
esac
