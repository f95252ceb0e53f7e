# A thin front of CMake, for those who type make. PREFIX is where "make install" puts things, DESTDIR a
# folder to put before it. The programs of "make immudb-static" and so on are in build/release/static;
# packaging/README.md says which libraries they still need.
PREFIX ?= /usr/local
PRESET ?= release
BUILD ?= build/$(PRESET)

STATIC := immudb-static immuadmin-static immuclient-static immugw-static

# GOOS and GOARCH name the system to build for; only the one that this runs on can be built.
machine := $(shell uname -m)
ours := $(or $(patsubst x86_64,amd64,$(filter x86_64,$(machine))),$(patsubst \
	aarch64,arm64,$(filter aarch64,$(machine))),$(machine))
ifneq ($(or $(GOOS),linux)/$(or $(GOARCH),$(ours)),linux/$(ours))
$(error cannot build for $(or $(GOOS),linux)/$(or $(GOARCH),$(ours)): only for this machine, linux/$(ours))
endif

.PHONY: all needs build test install deb clean $(STATIC)
.NOTPARALLEL:

all: build

needs:
	@bash -c '. packaging/packages.bash; missing=$$(packages_missing build | tr "\n" " "); \
		[ -z "$$missing" ] || { echo "missing packages (Debian 12 names): $$missing" >&2; exit 1; }'

build: needs
	cmake --preset $(PRESET) -DIMMUDB_TESTS=OFF -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	cmake --build $(BUILD)

# Tests that are configured already stay so: only what is new is compiled.
$(STATIC): needs
	@test -f $(BUILD)/build.ninja || cmake --preset $(PRESET) -DIMMUDB_TESTS=OFF
	cmake --build $(BUILD) --target $@
	@echo "built: $(BUILD)/static/$(@:-static=)"

test:
	tests/run

install: build
	DESTDIR=$(DESTDIR) cmake --install $(BUILD) --prefix $(PREFIX)

deb:
	packaging/make-deb

clean:
	rm -rf build
