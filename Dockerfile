# The server. Data is in /var/lib/immudb, which is best a volume:
#   docker build -t myown/immudb:latest -f Dockerfile .
#   docker run -d -p 3322:3322 -p 9497:9497 -v immudb-data:/var/lib/immudb myown/immudb
# The packages, built as packaging/make-deb builds them everywhere. All images share this part.
FROM debian:12-slim AS build
WORKDIR /build
COPY packaging/debian/control debian/control
RUN apt-get update \
	&& apt-get install -y --no-install-recommends build-essential \
	&& apt-get build-dep -y --no-install-recommends ./
WORKDIR /build/source
COPY . .
RUN packaging/make-deb --binary --output /packages

FROM debian:12-slim
RUN groupadd --gid 3322 immu \
	&& useradd --uid 3322 --gid 3322 --home-dir /var/lib/immudb --no-create-home \
		--shell /usr/sbin/nologin immu \
	&& install -d -m 0700 -o 3322 -g 3322 /var/lib/immudb
COPY --from=build /packages/immudb_*.deb /packages/immuadmin_*.deb /packages/
RUN apt-get update \
	&& apt-get install -y --no-install-recommends systemd-standalone-sysusers /packages/*.deb \
	&& rm -rf /packages /var/lib/apt/lists/*
ENV IMMUDB_DIR=/var/lib/immudb
USER 3322:3322
WORKDIR /var/lib/immudb
EXPOSE 3322 9497
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
	CMD immuadmin status --state-dir /tmp/immuadmin --timeout 5s --immudb-port "${IMMUDB_PORT:-3322}"
ENTRYPOINT ["immudb"]
