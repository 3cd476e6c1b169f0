# The page in a container. CPU: docker build -t symgan . ; CUDA: docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 -t symgan .
# docker run -p 7860:7860 -v symgan-shares:/shares symgan ; with a GPU: docker run --gpus all …
FROM python:3.12-slim

# OpenCV's wheel needs both.
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home symgan && mkdir /shares /work && chown symgan /shares /work
WORKDIR /app
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements.txt .
RUN pip install --no-cache-dir --index-url "$TORCH_INDEX" --extra-index-url https://pypi.org/simple "torch>=2.11,<2.16" "torchvision>=0.25,<1" \
    && pip install --no-cache-dir -r requirements.txt
COPY app.py LICENSE README.md ./
COPY demo demo
COPY examples examples
COPY symgan_core symgan_core

USER symgan
ENV SYMGAN_HOST=0.0.0.0 SYMGAN_PORT=7860 SYMGAN_SHARES=/shares SYMGAN_WORK=/work/page PYTHONUNBUFFERED=1
VOLUME /shares
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=8)"]
STOPSIGNAL SIGTERM
CMD ["python", "app.py"]
