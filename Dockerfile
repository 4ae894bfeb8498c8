# Not run in development: no container was built here, hadolint checked the file alone. docs/operations.md, "Containers".
# decord's FFmpeg is "nonfree and unredistributable" (THIRD_PARTY.md): build images for yourself, do not pass them on.
FROM python:3.11-slim
ENV DO_NOT_TRACK=true PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1
WORKDIR /opt/heterodub
# the lock holds the wheel of torch for CPUs, which PyPI does not have
COPY requirements.lock ./
RUN python -m pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: \
    --extra-index-url https://download.pytorch.org/whl/cpu -r requirements.lock
COPY . .
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && useradd --create-home --uid 1000 heterodub
USER 1000
# no entry point: a worker of Prefect names the command
CMD ["heterodub", "--help"]
