# One image for every process of Tidemark; docker-compose.yml says which one a container is.
# The environment is made from the lock and its hashes alone, as bin/install makes it on a machine.

FROM python:3.13-slim AS environment
WORKDIR /app
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.lock ./
RUN python -m venv /opt/tidemark \
    && /opt/tidemark/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY runtime runtime
COPY ledger ledger
COPY agents agents
COPY api api
COPY ops ops
RUN /opt/tidemark/bin/pip install --no-deps --no-build-isolation --editable . \
    && /opt/tidemark/bin/python -m compileall -q -j 0 .

FROM python:3.13-slim
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin tidemark \
    && install --directory --owner=tidemark --group=tidemark --mode=0700 /var/lib/tidemark
COPY --from=environment /opt/tidemark /opt/tidemark
COPY --from=environment /app /app
WORKDIR /app
ENV PATH=/opt/tidemark/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TIDEMARK_HOME=/var/lib/tidemark
USER 10001
CMD ["tidemark", "--help"]
