# The image: the exporter, the C library that it runs on, the CA certificates, and a wget for the health check. There is
# no shell and no package manager in it. deploy/README.md says how it was tried.
#
#   docker build $(deploy/image/arguments) -t avepoint_exporter:dev .
#   docker run --rm -p 127.0.0.1:10120:10120 avepoint_exporter:dev demo --web.listen-address=:10120

FROM rust:1.95.0-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends busybox ca-certificates \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
ARG REVISION=unknown
# The caches keep the compiled dependencies between builds: a change compiles the crates that it concerns.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    AVEPOINT_EXPORTER_REVISION="$REVISION" cargo build --locked --profile dist \
    && deploy/image/rootfs target/dist/avepoint_exporter /rootfs

FROM scratch
ARG REVISION=unknown
ARG VERSION=unknown
ARG SOURCE=
LABEL org.opencontainers.image.title="avepoint_exporter" \
      org.opencontainers.image.description="Prometheus exporter for seats and subscriptions in AvePoint Elements" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /rootfs /
USER 65532:65532
EXPOSE 10120
# Healthy is not ready: the API may be away, and the exporter says so in its metrics. Another listen address, TLS or basic
# auth need another command here: `docker run --health-cmd`, `healthcheck:` in Compose. Kubernetes has probes of its own.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/bin/wget", "-q", "-Y", "off", "-O", "-", "http://127.0.0.1:10120/-/healthy"]
ENTRYPOINT ["/usr/bin/avepoint_exporter"]
# Given arguments replace both: `demo --web.listen-address=:10120`, `check --config.file=/etc/avepoint_exporter/config.yaml`.
CMD ["--config.file=/etc/avepoint_exporter/config.yaml", "--web.listen-address=:10120"]
