#!/usr/bin/env bash
# Builds llama.cpp's own server as a fair rival for `bench engine --rival DIR/llama-server`: from the
# sources that node-llama-cpp carries, and running on the very libraries that node-llama-cpp loads
# (ggml with the processor's kernels, llama), so that both compute with the same machine code.
#   bench/llama-server.sh DIR      about 8 minutes on one core; needs git, cmake and a C++ compiler
set -euo pipefail
target=$(mkdir -p "${1:?a folder}" && cd "$1" && pwd)
modules=$(cd "$(dirname "$0")/../node_modules" && pwd)
case "$(uname -s)-$(uname -m)" in
Linux-x86_64) platform=linux-x64 ;;
Linux-aarch64) platform=linux-arm64 ;;
*) echo 'Only Linux is supported.' >&2; exit 2 ;;
esac
libraries=$modules/@node-llama-cpp/$platform/bins/$platform
cd "$target"
[ -d source ] || git clone -q "$modules/node-llama-cpp/llama/gitRelease.bundle" source
# No kernels are built: they are taken from the package when the server starts.
cmake -S source -B build -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON -DGGML_BACKEND_DL=ON \
  -DGGML_CPU=OFF -DGGML_NATIVE=OFF -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF \
  -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_UI=OFF >/dev/null
cmake --build build --target llama-server -j "${JOBS:-1}" >/dev/null
rm -rf run && mkdir run
cp build/bin/llama-server build/bin/libllama-server-impl.so run/
cp -P build/bin/libmtmd.so* run/
link() { ln -s "$(ls "$libraries"/$1 | head -1)" "run/$2"; }
link 'libggml-base.so' libggml-base.so.0
link 'libggml.*so*' libggml.so.0
link 'libllama.*so*' libllama.so.0
link 'libllama-common.so' libllama-common.so.0
for kernels in "$libraries"/libggml-cpu-*.so; do ln -s "$kernels" run/; done
printf '#!/bin/sh\nexec env LD_LIBRARY_PATH="%s:%s" "%s" "$@"\n' \
  "$target/run" "$libraries" "$target/run/llama-server" >llama-server
chmod +x llama-server
