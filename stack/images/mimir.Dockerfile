# Mimir with a probe: its own image has no program that could ask it. Build from the root of the repository.
ARG GO_BUILD_IMAGE
ARG MIMIR_IMAGE
FROM ${GO_BUILD_IMAGE} AS entry
COPY stack/images/entry /source
RUN CGO_ENABLED=0 go -C /source build -trimpath -ldflags "-s -w" -o /entry .

FROM ${MIMIR_IMAGE}
LABEL org.opencontainers.image.title="livehouse-mimir"
COPY --from=entry /entry /entry
# A volume takes over owner and mode.
COPY --from=entry --chown=10001:10001 --chmod=0700 /var/empty /data
USER 10001:10001
