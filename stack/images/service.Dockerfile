# One of the project's own services. Build from the root of the repository:
#   docker build -f stack/images/service.Dockerfile --build-arg SERVICE=tickets … .
# The first stages are the same for all services and are built once.
ARG RUST_BUILD_IMAGE
ARG NODE_BUILD_IMAGE
ARG GO_BUILD_IMAGE
ARG RUNTIME_IMAGE

FROM ${GO_BUILD_IMAGE} AS entry
COPY stack/images/entry /source
RUN CGO_ENABLED=0 go -C /source build -trimpath -ldflags "-s -w" -o /entry .

FROM ${NODE_BUILD_IMAGE} AS web
WORKDIR /source/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web ./
RUN npm run build

FROM ${RUST_BUILD_IMAGE} AS build
ARG CARGO_AUDITABLE_VERSION
# Writes the list of its crates into each program, where the SBOM is read from.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo install --quiet --locked --version "${CARGO_AUDITABLE_VERSION}" cargo-auditable
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo auditable build --release --locked -p livehouse-tickets -p livehouse-orders -p livehouse-identity -p livehouse-site \
    && install -D -t /programs target/release/livehouse-tickets target/release/livehouse-orders \
        target/release/livehouse-identity target/release/livehouse-site \
    # The names of functions stay, for backtraces; their lines go.
    && strip --strip-debug /programs/*

FROM ${RUNTIME_IMAGE}
ARG SERVICE
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.title="livehouse-${SERVICE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=entry /entry /entry
COPY --from=build /programs/livehouse-${SERVICE} /livehouse-${SERVICE}
# Only the site serves it; for the others it is a few hundred kilobytes.
COPY --from=web /source/web/dist /web
USER 65532:65532
ENTRYPOINT []
