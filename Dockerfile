# syntax=docker/dockerfile:1
FROM python:3.12-slim AS packages
COPY requirements-runtime.lock /
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps -r /requirements-runtime.lock

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/finops --create-home finops
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/finops
COPY finops_ai finops_ai
COPY migrations migrations
COPY config/policies config/policies
# The user of the container may write nothing here, so every command would compile the program again.
RUN python -m compileall -q finops_ai migrations
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/srv/finops \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    FINOPS_HOME=/var/lib/finops
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "finops_ai"]
CMD ["--help"]
