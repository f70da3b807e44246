# syntax=docker/dockerfile:1
# The trainer of training stages: Python with PyTorch, which brings its own CUDA libraries.

ARG PYTHON_IMAGE=docker.io/library/python:3.12-slim-trixie
ARG PYTHON_DIGEST

FROM ${PYTHON_IMAGE}@${PYTHON_DIGEST} AS python

FROM python AS build
WORKDIR /src
COPY trainer/requirements.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /opt/trainer \
 && /opt/trainer/bin/pip install -r requirements.txt
COPY trainer/pyproject.toml ./
COPY trainer/cohortfarm_trainer cohortfarm_trainer
RUN /opt/trainer/bin/pip install --no-cache-dir --no-deps . \
 && /opt/trainer/bin/pip inspect > /opt/trainer/packages.json

FROM python AS trainer
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="CohortFarm trainer" \
      org.opencontainers.image.description="Pretrains, finetunes and evaluates classifiers on synthetic and real cohorts" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# g++ brings gcc: torch.compile needs the one, Triton on a GPU the other (hyperparameters.compile).
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ \
 && rm -rf /var/lib/apt/lists/*
# The user has no name, which torch.compile's own default needs.
ENV PATH=/opt/trainer/bin:$PATH HOME=/tmp TORCHINDUCTOR_CACHE_DIR=/tmp/torchinductor PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/trainer
COPY --from=build /opt/trainer /opt/trainer
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "cohortfarm_trainer"]
CMD ["--help"]
