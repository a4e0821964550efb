# Training in a container, on CPUs:
#
#   docker build -t vaegan_jax .
#   docker run -v "$PWD/runs:/vaegan_jax/runs" vaegan_jax \
#     --config=demo --workdir=runs/demo
#
# For GPUs, build with --build-arg EXTRA=cuda and run with --gpus=all; for the
# TPUs of a cluster, with EXTRA=tpu.
FROM python:3.11-slim
ARG EXTRA=
WORKDIR /vaegan_jax
# Files that change seldom come first, so that Docker caches their layers.
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY vaegan_jax vaegan_jax
COPY experiments experiments
RUN pip install --no-cache-dir -e ".${EXTRA:+[$EXTRA]}"
# glibc keeps the memory that a step frees (docs/performance.md).
ENV GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1099511627776:glibc.malloc.top_pad=67108864
ENTRYPOINT ["python", "-m", "experiments.train"]
