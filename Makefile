# A thin front of CMake, for those who type make. PREFIX is where "make install" puts things.
PREFIX ?= /usr/local
PRESET ?= release

.PHONY: all build test install clean

all: build

build:
	cmake --preset $(PRESET) -DIMMUDB_TESTS=OFF
	cmake --build build/$(PRESET)

test:
	tests/run

install: build
	cmake --install build/$(PRESET) --prefix $(PREFIX)

clean:
	rm -rf build
