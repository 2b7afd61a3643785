# The program cvx in an image: for the processor (the last stage, which is built without --target), and for NVIDIA GPUs.
#
#   docker build --tag cvx .
#   docker build --target cuda --tag cvx-cuda .

ARG RUST=1.88.0
ARG DEBIAN=12.11
ARG PYTHON=3.13.5

FROM rust:${RUST}-slim-bookworm AS sources
WORKDIR /src
ENV CARGO_PROFILE_RELEASE_STRIP=symbols
COPY . .

FROM sources AS build-cpu
RUN cargo build --release --locked --package cvx-cli

# The feature needs no toolkit: driver and libraries are loaded at run time.
FROM sources AS build-cuda
RUN cargo build --release --locked --package cvx-cli --features cuda

# cuBLAS and cuSOLVER of CUDA 13.0, and what cuSOLVER loads. The driver comes from the machine.
FROM python:${PYTHON}-slim-bookworm AS libraries
RUN pip install --no-cache-dir --no-deps --only-binary :all: --target /wheels \
        nvidia-cublas==13.0.2.14 \
        nvidia-cusolver==12.0.4.66 \
        nvidia-cusparse==12.6.3.3 \
        nvidia-nvjitlink==13.0.88 \
    && mkdir -p /cuda/lib /cuda/licences \
    && for name in cublas cublasLt cusolver cusparse nvJitLink; do \
        find /wheels -name "lib$name.so.*" -exec mv {} /cuda/lib \; && test -e /cuda/lib/lib$name.so.* || exit 1; \
    done \
    && mv /wheels/*.dist-info /cuda/licences

# Nothing is installed: the program needs the C library and libgcc, which are there.
FROM debian:${DEBIAN}-slim AS run
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/cvx/
# For any user that the container is started as.
RUN install --directory --mode 1777 /data /cache
ENV CVX_CACHE=/cache
WORKDIR /data
USER 65532:65532
ENTRYPOINT ["cvx"]
CMD ["--help"]

FROM run AS cuda
COPY --from=libraries /cuda/lib /usr/local/lib/cuda
COPY --from=libraries /cuda/licences /usr/share/doc/cuda
COPY --from=build-cuda /src/target/release/cvx /usr/local/bin/cvx
# The container toolkit puts the driver into the container. The driver keeps the kernels that it has compiled.
ENV LD_LIBRARY_PATH=/usr/local/lib/cuda \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    CUDA_CACHE_PATH=/cache/kernels

FROM run AS cpu
COPY --from=build-cpu /src/target/release/cvx /usr/local/bin/cvx
