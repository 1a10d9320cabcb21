# Mimir with a probe: its own image has no program that could ask it. Build from the root of the repository.
ARG GO_BUILD_IMAGE
ARG MIMIR_IMAGE
FROM ${GO_BUILD_IMAGE} AS entry
COPY stack/images/entry /source
# A volume takes over owner and mode of /data.
RUN install -d -m 0700 -o 10001 -g 10001 /root-of-image/data \
    && CGO_ENABLED=0 go -C /source build -trimpath -ldflags "-s -w" -o /root-of-image/entry .

FROM ${MIMIR_IMAGE}
LABEL org.opencontainers.image.title="livehouse-mimir"
COPY --from=entry /root-of-image /
USER 10001:10001
