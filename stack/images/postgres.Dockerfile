# PostgreSQL with what makes a pair of servers of it. Build from the root of the repository.
ARG POSTGRES_IMAGE
FROM ${POSTGRES_IMAGE}
ARG POSTGRES_VERSION
LABEL org.opencontainers.image.title="livehouse-postgres" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${POSTGRES_VERSION}"
COPY --chmod=0755 stack/images/postgres/livehouse-postgres /usr/local/bin/livehouse-postgres
# Volumes take over owner and mode of these.
RUN install -d -o 999 -g 999 -m 0700 /var/lib/postgresql /backup
ENV PATH=/usr/lib/postgresql/18/bin:$PATH
USER 999:999
ENTRYPOINT []
CMD ["livehouse-postgres", "serve"]
