# The program of stack/images/entry alone. Build from the root of the repository.
ARG GO_BUILD_IMAGE
FROM ${GO_BUILD_IMAGE} AS build
COPY stack/images/entry /source
RUN CGO_ENABLED=0 go -C /source build -trimpath -ldflags "-s -w" -o /entry .

FROM scratch
LABEL org.opencontainers.image.title="livehouse-entry" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /entry /entry
USER 65532:65532
ENTRYPOINT []
CMD ["/entry", "pages", ":8080"]
