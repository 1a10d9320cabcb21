# The OpenTelemetry Collector with the parts that are used here (otelcol/manifest.yaml), and a probe. Build from the root of the repository.
ARG GO_BUILD_IMAGE
FROM ${GO_BUILD_IMAGE} AS build
ARG OTELCOL_VERSION
ENV CGO_ENABLED=0 GOTOOLCHAIN=auto
COPY stack/images/entry /source/entry
COPY stack/images/otelcol /source/otelcol
WORKDIR /source/otelcol
RUN go run "go.opentelemetry.io/collector/cmd/builder@v${OTELCOL_VERSION}" --config manifest.yaml \
    && install -D build/otelcol /root-of-image/usr/local/bin/otelcol \
    && go -C /source/entry build -trimpath -ldflags "-s -w" -o /root-of-image/entry . \
    && install -d -m 0755 /root-of-image/etc/ssl/certs && cp /etc/ssl/certs/ca-certificates.crt /root-of-image/etc/ssl/certs/ \
    && install -d -m 0700 -o 65532 -g 65532 /root-of-image/data && install -d -m 1777 /root-of-image/tmp

FROM scratch
ARG OTELCOL_VERSION
LABEL org.opencontainers.image.title="livehouse-otelcol" org.opencontainers.image.version="${OTELCOL_VERSION}"
COPY --from=build /root-of-image /
USER 65532:65532
