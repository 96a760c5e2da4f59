# m3i_mm with the tested stack; torch brings its CUDA libraries.
#   docker build -t m3i_mm . && docker run --gpus all -it m3i_mm
FROM python:3.11-slim

RUN apt-get update && apt-get install -y --no-install-recommends make git \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /m3i_mm
COPY . .
RUN make VENV=/venv env && rm -rf /root/.cache
ENV PATH=/venv/bin:$PATH
CMD ["m3i", "--help"]
