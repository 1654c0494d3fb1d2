# One image for the API, the gateway, the worker and the beat; docker-compose.yml says which one a container is.

FROM python:3.13-slim AS packages
COPY requirements.txt .
RUN python -m venv /opt/outlay \
    && /opt/outlay/bin/pip install --no-cache-dir --no-compile --require-hashes -r requirements.txt

FROM python:3.13-slim
# For names in the pictures of charts that their own font cannot draw: Arabic, Chinese, Japanese, Korean, emoji.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends fonts-dejavu-core fonts-symbola fonts-wqy-zenhei \
    && rm -rf /var/lib/apt/lists/*
# A fixed number, so that a volume's files keep their owner in every later image.
RUN useradd --uid 10001 --no-create-home --home-dir /var/lib/outlay --shell /usr/sbin/nologin outlay \
    && install --directory --owner=outlay --group=outlay --mode=0700 /var/lib/outlay
COPY --from=packages /opt/outlay /opt/outlay
WORKDIR /srv/outlay
COPY core core
COPY api api
COPY workers workers
COPY ws_gateway ws_gateway
COPY migrations migrations
RUN printf '%s\n' '#!/bin/sh' 'PYTHONPATH=/srv/outlay exec /opt/outlay/bin/python -m core "$@"' > /usr/local/bin/outlay \
    && chmod 0755 /usr/local/bin/outlay
# Compiled here once: the containers' user cannot write beside the source.
RUN /opt/outlay/bin/python -m compileall -q /opt/outlay/lib /srv/outlay
ENV PATH=/opt/outlay/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OUTLAY_ENVIRONMENT=production \
    OUTLAY_DATA_DIR=/var/lib/outlay
USER outlay
VOLUME /var/lib/outlay
EXPOSE 8000 8001
CMD ["python", "-m", "api"]
