# A Go program that is pinned by checksum in crates/parts/go/<PROGRAM>, alone in its image. Build from the root of the repository:
#   docker build -f stack/images/go.Dockerfile --build-arg PROGRAM=nats-server --build-arg GO_BUILD_IMAGE=… .
ARG GO_BUILD_IMAGE
FROM ${GO_BUILD_IMAGE} AS build
ARG PROGRAM
COPY stack/images/entry /source/entry
COPY crates/parts/go/${PROGRAM} /source/program
ENV CGO_ENABLED=0 GOTOOLCHAIN=auto
RUN go -C /source/entry build -trimpath -ldflags "-s -w" -o /root-of-image/entry . \
    && go -C /source/program build -trimpath -ldflags "-s -w" -o /root-of-image/usr/local/bin/ tool \
    && install -d -m 0755 /root-of-image/etc/ssl/certs && cp /etc/ssl/certs/ca-certificates.crt /root-of-image/etc/ssl/certs/ \
    && install -d -m 0700 -o 65532 -g 65532 /root-of-image/data \
    && install -d -m 1777 /root-of-image/tmp \
    && echo "livehouse:x:65532:65532::/:/none" >/root-of-image/etc/passwd

FROM scratch
ARG PROGRAM
ARG VERSION
LABEL org.opencontainers.image.title="livehouse-${PROGRAM}" org.opencontainers.image.version="${VERSION}"
COPY --from=build /root-of-image /
ENV PATH=/usr/local/bin
USER 65532:65532
