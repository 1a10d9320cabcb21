# Keycloak built ahead for PostgreSQL, with the realm. Build from the root of the repository.
ARG KEYCLOAK_IMAGE
ARG GO_BUILD_IMAGE

FROM ${GO_BUILD_IMAGE} AS entry
COPY stack/images/entry /source
RUN CGO_ENABLED=0 go -C /source build -trimpath -ldflags "-s -w" -o /entry .

FROM ${KEYCLOAK_IMAGE} AS built
ENV KC_DB=postgres KC_HEALTH_ENABLED=true KC_METRICS_ENABLED=true KC_CACHE=ispn KC_CACHE_STACK=jdbc-ping
RUN /opt/keycloak/bin/kc.sh build

FROM ${KEYCLOAK_IMAGE}
ARG KEYCLOAK_VERSION
LABEL org.opencontainers.image.title="livehouse-keycloak" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${KEYCLOAK_VERSION}"
COPY --from=built /opt/keycloak /opt/keycloak
COPY --from=entry /entry /entry
COPY --chown=1000:0 stack/identity/realm.json /opt/keycloak/data/import/livehouse-realm.json
USER 1000:0
ENTRYPOINT []
CMD ["/opt/keycloak/bin/kc.sh", "start", "--optimized", "--import-realm"]
