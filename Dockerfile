# One image for every touchline process; the command chooses which: ingest, worker, connect, hub, migrate, topics create.
FROM python:3.11-slim

WORKDIR /touchline

# The dependencies first, with their hashes: this layer changes only with the lock.
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock

COPY pyproject.toml README.md ./
COPY connectors connectors
COPY hub hub
COPY ingest ingest
COPY migrations migrations
COPY streams streams
COPY touchline touchline
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && useradd --system --no-create-home touchline

USER touchline
ENV PYTHONUNBUFFERED=1 TOUCHLINE_LOG_FORMAT=json
ENTRYPOINT ["touchline"]
CMD ["--help"]
