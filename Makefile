# The two commands are run and test. Both install what they need: Debian 12 with
# Go, git, make and root (or sudo) is enough.

BOARD ?= virt
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# What root built belongs to whom the source belongs to: root's files would stop
# the next make of a person who used sudo once.
GIVE_BACK := chown -R --reference=. build

.PHONY: run test check bench bench-scale bench-failure bench-churn bench-image image deps clean

# Boots the image in QEMU among nodes and MFDs, and tells what happens. Ctrl-C
# ends everything that it started. It needs no root where the kernel lets users
# have namespaces; otherwise use sudo make run. ARGS="-nodes 3 -mfds 40" is for
# another site; build/lab run -help lists all.
run: image
	go build -o build/lab ./tools/lab
	@[ "$$(id -u)" != 0 ] || $(GIVE_BACK)
	@build/lab run -image build/virt $(ARGS)

# Everything: the house's rules, then every test by name as it ends, one package
# at a time. The packet tests need root for their namespaces.
test: deps check image
	$(SUDO) env "PATH=$$PATH" go tool gotestsum --format testname -- -p 1 -timeout 30m -count 1 ./...; \
	status=$$?; $(SUDO) $(GIVE_BACK); exit $$status

# What the README shows is written by a run without ARGS: one that measures less, or
# something else, is printed alone, unless ARGS has its own -out.
BENCH_ARGS = $(or $(ARGS),-out tools/bench)

# Spoolgate side by side with what a user would pick instead, and alone as what it looks
# after grows; about three quarters of an hour on an idle machine. With ARGS it is the first alone:
# the second has other contestants and no parts. ARGS="-rounds 1" measures less;
# build/bench -help lists all.
bench: build/bench
	$(SUDO) build/bench $(BENCH_ARGS)
	@$(if $(ARGS),:,$(MAKE) --no-print-directory bench-scale)
	@[ "$$(id -u)" != 0 ] || $(GIVE_BACK)

bench-scale: build/bench
	$(SUDO) build/bench scale $(BENCH_ARGS)
	@[ "$$(id -u)" != 0 ] || $(GIVE_BACK)

# What clients feel of a node that fails, side by side, too; about half an hour, most
# of it spent waiting for those who never notice.
bench-failure: build/bench
	$(SUDO) build/bench failure $(BENCH_ARGS)
	@[ "$$(id -u)" != 0 ] || $(GIVE_BACK)

# Whether anything of Spoolgate grows while clients come and go: for an hour, after 45
# minutes until it remembers all that it shall. ARGS="-for 3m" is a first look.
bench-churn: build/bench
	$(SUDO) build/bench churn $(BENCH_ARGS)
	@[ "$$(id -u)" != 0 ] || $(GIVE_BACK)

# The real image in QEMU, as a ratio to plain routing, static rules, flow tables and HAProxy
# by the same image; about twenty-five minutes. ARGS="-rounds 1" measures less.
bench-image: BOARD = virt
bench-image: image build/bench
	CGO_ENABLED=0 GOARCH=arm64 go build -o build/bench-arm64 ./tools/bench
	$(SUDO) build/bench image $(BENCH_ARGS)
	@[ "$$(id -u)" != 0 ] || $(GIVE_BACK)

.PHONY: build/bench
build/bench: deps
	go build -o build/bench ./tools/bench
	go build -o build/balancerd ./cmd/balancerd

# Format, vet, staticcheck, and the house's own rules on imports and layout.
check:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted (run gofmt -w):"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	go test ./tools/house

# BOARD is virt (QEMU), cm4 or rockpie; the image is build/BOARD/spoolgate-BOARD.img.
image: deps
	go run ./tools/image -board $(BOARD)
	@[ "$$(id -u)" != 0 ] || $(GIVE_BACK)

deps: build/.deps

build/.deps: tools/deps.sh tools/axe.sh
	mkdir -p build
	$(SUDO) sh tools/deps.sh
	sh tools/axe.sh
	touch $@
	@[ "$$(id -u)" != 0 ] || $(GIVE_BACK)

clean:
	rm -rf build
