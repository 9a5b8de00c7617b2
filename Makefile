# libnotimewait: `make` builds the library, `make demo` shows it, `make check` tests it.

ifeq ($(origin CC),default)
CC       = gcc
endif
CFLAGS  ?= -O2 -g
VERSION ?= 0.2.0
BUILD   ?= build
# One spelling of it: by that what is built there knows which headers it was made from.
override BUILD := $(patsubst $(CURDIR)/%,%,$(abspath $(BUILD)))
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
LIBDIR  ?= $(PREFIX)/lib
DOCDIR  ?= $(PREFIX)/share/doc/notimewait
MANDIR  ?= $(PREFIX)/share/man
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR  ?= $(PREFIX)/share/zsh/site-functions

WARN    = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
# No path of this machine gets into what is built: the same sources give the same bytes anywhere.
MAPPED  = '-ffile-prefix-map=$(CURDIR)=.' \
          $(if $(filter /%,$(BUILD)),'-ffile-prefix-map=$(BUILD)=build')
# (psabi: that GCC 11.1 changed how i386 aligns what is atomic.)
COMMON  = -std=gnu11 -D_GNU_SOURCE $(WARN) -Wno-psabi $(MAPPED) -MMD -MP
# Without fortification: the library defines some of the functions that it would redirect.
SHIM    = $(COMMON) -U_FORTIFY_SOURCE -fPIC -fvisibility=hidden -fno-plt -ftls-model=initial-exec -Ishim
LINK    = -shared -Wl,-soname,libnotimewait.so -Wl,-z,relro,-z,now,-z,noexecstack,-z,defs \
          -Wl,-Bsymbolic-functions -Wl,-z,nodelete -Wl,-z,initfirst -Wl,--as-needed -ldl
# The kernel's headers, which musl-gcc does not look for: behind all others.
ifneq ($(findstring musl,$(CC)),)
KERNEL  = -idirafter /usr/include -idirafter $(wildcard /usr/include/$(shell uname -m)-linux-gnu)
endif
# The launcher finds the library where it was installed, and from its own directory: the installed
# tree may be moved as a whole.
FROMBIN = $(patsubst $(dir $(BINDIR))%,../%,$(LIBDIR))
START   = $(COMMON) $(KERNEL) -D_FILE_OFFSET_BITS=64 -Ishim -DVERSION='"$(VERSION)"' -DLIBDIR='"$(LIBDIR)"' \
          -DFROMBIN='"$(FROMBIN)"'

LIB     = $(BUILD)/libnotimewait.so
LAYERS  = hooks connection report kernel policy
OBJ     = $(patsubst shim/%.c,$(BUILD)/shim/%.o,$(wildcard shim/start.c $(LAYERS:%=shim/%/*.c)))
# What the library shares with programs that are not preloaded: no globals, no system calls; and
# with the launcher.
PURE    = $(patsubst shim/%.c,$(BUILD)/shim/%.o,$(wildcard shim/policy/*.c))
SHARED  = $(PURE) $(patsubst %,$(BUILD)/shim/%.o,report/board report/guard report/json \
          report/tally report/undo report/word) \
          $(patsubst %,$(BUILD)/shim/kernel/%.o,blocks clock cookies diag file lease lock pages \
          peers ports process sharing sysctls)
# The launcher, and those of its objects that do not depend on where it is installed.
STARTER = $(BUILD)/notimewait
STARTS  = $(patsubst shim/%.c,$(BUILD)/shim/%.o,$(wildcard shim/launcher/*.c shim/launcher/*/*.c)) $(SHARED)
ANYWHERE = $(filter-out %/launcher/library.o,$(STARTS))
# The launcher's statistics, pure as well.
STATISTICS = $(patsubst %,$(BUILD)/shim/launcher/%.o,report/confidence ab/ranks)
TOOLS   = $(patsubst tests/tools/%.c,$(BUILD)/tests/%,$(wildcard tests/tools/*.c))
# What `make techniques` uses of them.
LAB     = $(patsubst %,$(BUILD)/tests/%,relay capture packets)
UNIT    = $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/*.c))
BENCHES = $(patsubst %,$(BUILD)/tests/bench/%,client none.so reuse.so)
EXAMPLE = $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))
# What is installed to be read. Each lies where it lies in the sources, so that the links work.
DOCUMENTS = README.md CHANGELOG.md LICENSE shim/README.md shim/policy/policy.def \
            $(wildcard tests/*.md tests/*/*.md) \
            $(shell find examples -type f ! -name '*~' | sort)

# What a check builds it builds on all CPUs, unless make was told on how many.
CPUS    = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

all: $(LIB) $(STARTER)
examples: $(EXAMPLE)
tests: all $(EXAMPLE) $(TOOLS) $(UNIT) $(BENCHES) $(BUILD)/tests/bench/cost

help:
	@echo 'make                 build/libnotimewait.so and build/notimewait (CC=, CFLAGS=, BUILD=)'
	@echo 'make demo            a client without ports, and what each policy does (15 seconds)'
	@echo 'make techniques      the packets of seven ways to close'
	@echo 'make peer-view       what a peer sees of each policy'
	@echo 'make install         PREFIX= DESTDIR=; make uninstall; make check-installed: does it work?'
	@echo 'make deb             a Debian package, in build/; make check-packages: lintian, rpmlint'
	@echo 'make lib32           the library for 32-bit programs'
	@echo 'make check           the tests; make lint: the sources'
	@echo 'make check-programs  curl, nginx, PostgreSQL, Java, Node, Python...'
	@echo 'make check-stacks    peers on lwIP, gVisor, libslirp; behind NAT'
	@echo 'make check-kernels   Debian kernels under QEMU (KERNELS=all: 5.10 to 7.3)'
	@echo 'make check-arches    builds for ARM, S/390, 32-bit PCs; tests under QEMU'
	@echo 'make results         runs these four whole, and writes the tables of tests/RESULTS.md'
	@echo 'make check-sanitize  under sanitizers and valgrind; make fuzz: the parser'
	@echo 'make bench           what it costs; make soak: a million connections; make plot'
	@echo 'make clean'
	@echo 'What is missing is named, and installed if you agree. YES=1: without a question.'

# Rewritten when the compiler or its flags are others than last time, or this file has changed:
# everything depends on it.
$(BUILD)/flags: force
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS), its own headers known' | cmp -s - $@ && \
	    ! [ Makefile -nt $@ ] || \
	    echo '$(CC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS), its own headers known' >$@

# What this libc has of the hooks' names, in which versions: so much is exported, and no more.
NAMES   = $(BUILD)/libc-names.h
EXPORTS = $(BUILD)/exports.map
$(NAMES): shim/hooks/exports shim/hooks/entry_points.def shim/hooks/versions.def $(BUILD)/flags
	CC='$(CC) $(filter-out -fsanitize%,$(CFLAGS) $(LDFLAGS)) -Ishim' shim/hooks/exports \
	    $(NAMES) $(EXPORTS)

$(LIB): $(OBJ) $(NAMES)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ) $(LINK) -Wl,--version-script=$(EXPORTS)

$(BUILD)/shim/kernel/libc.o: SHIM += -I$(BUILD)
# A sanitizer's runtime calls these hooks while it begins: they cannot be watched by it.
$(patsubst %,$(BUILD)/shim/%.o,kernel/libc hooks/limit hooks/spawn): SHIM += -fno-sanitize=all
$(BUILD)/shim/kernel/libc.o: $(NAMES)
# Link-time optimization does not see which names assembly defines and calls.
$(patsubst %,$(BUILD)/shim/%.o,kernel/raw hooks/spawn hooks/syscall): SHIM += -fno-lto

$(BUILD)/shim/%.o: shim/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CPPFLAGS) $(SHIM) -c -o $@ $<

$(STARTER): $(STARTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lm

$(BUILD)/shim/launcher/%.o: shim/launcher/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CPPFLAGS) $(START) -c -o $@ $<

$(BUILD)/examples/%: examples/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(COMMON) -o $@ $< $(LDFLAGS)

$(BUILD)/tests/%: tests/tools/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(COMMON) -pthread -o $@ $< $(LDFLAGS)

LOCK    = $(patsubst %,$(BUILD)/shim/%.o,kernel/lock kernel/process kernel/pages \
            kernel/clock launcher/raw)
$(BUILD)/tests/lock: tests/unit/lock.c $(LOCK) $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(COMMON) -pthread -Ishim -o $@ $< $(LOCK) $(LDFLAGS)

$(BUILD)/tests/blocks: tests/unit/blocks.c $(BUILD)/shim/kernel/blocks.o $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(COMMON) -Ishim -o $@ $< $(BUILD)/shim/kernel/blocks.o $(LDFLAGS)

# What kernel/diag.c needs, which is part of the program.
REFUSED = $(patsubst %,$(BUILD)/shim/%.o,kernel/process kernel/pages kernel/clock launcher/raw)
$(BUILD)/tests/refused-dump: tests/unit/refused-dump.c shim/kernel/diag.c $(REFUSED) $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(COMMON) -Ishim -o $@ $< $(REFUSED) $(LDFLAGS)

LEASE   = $(patsubst %,$(BUILD)/shim/%.o,kernel/lease kernel/blocks kernel/clock)
$(BUILD)/tests/lease: tests/unit/lease.c $(LEASE) $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(COMMON) -Ishim -o $@ $< $(LEASE) $(LDFLAGS)

$(BUILD)/tests/guard: tests/unit/guard.c $(BUILD)/shim/launcher/supervise/guard.o $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(COMMON) -Ishim -o $@ $< $(BUILD)/shim/launcher/supervise/guard.o $(LDFLAGS)

MISSES  = $(patsubst %,$(BUILD)/shim/%.o,$(addprefix kernel/,ports peers sharing lease blocks clock diag sysctls \
            process pages) launcher/raw policy/address policy/text)
$(BUILD)/tests/misses: tests/unit/misses.c $(MISSES) $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(COMMON) -Ishim -o $@ $< $(MISSES) $(LDFLAGS)

$(BUILD)/tests/%: tests/unit/%.c $(PURE) $(STATISTICS) $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(COMMON) -Ishim -o $@ $< $(PURE) $(STATISTICS) $(LDFLAGS) -lm

$(BUILD)/tests/bench/%.so: tests/bench/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(COMMON) -fPIC -shared -o $@ $< $(LDFLAGS)

$(BUILD)/tests/bench/client-go: tests/bench/client.go
	@mkdir -p $(@D)
	GOCACHE=$(abspath $(BUILD))/go-cache CGO_ENABLED=0 go build -o $@ $<

$(BUILD)/tests/bench/%: tests/bench/%.c $(PURE) $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(COMMON) -Ishim -pthread -o $@ $< $(PURE) $(LDFLAGS)

# For 32-bit programs on a 64-bit machine: build/lib32/libnotimewait.so
lib32:
	@tests/need lib32
	@$(MAKE) --no-print-directory CC="$(CC) -m32" BUILD=$(BUILD)/lib32 $(BUILD)/lib32/libnotimewait.so

# The parser under libFuzzer: FUZZ_RUNS inputs, what it finds new in $(BUILD)/fuzz.
FUZZ_RUNS ?= 5000000
$(BUILD)/tests/fuzz-config: tests/fuzz/config.c $(patsubst $(BUILD)/%.o,%.c,$(PURE))
	@mkdir -p $(@D)
	clang -O1 -g $(filter-out -MMD -MP,$(COMMON)) -Ishim -fno-sanitize-recover=all \
	    -fsanitize=fuzzer,address,undefined -o $@ $^

fuzz:
	@tests/need check
	@$(MAKE) --no-print-directory -s $(BUILD)/tests/fuzz-config
	@mkdir -p $(BUILD)/fuzz
	$(BUILD)/tests/fuzz-config -runs=$(FUZZ_RUNS) -max_len=512 -timeout=10 -print_final_stats=1 \
	    $(BUILD)/fuzz tests/fuzz/corpus

demo:
	@tests/need demo
	@$(MAKE) --no-print-directory -s $(LIB) examples
	@examples/demo $(BUILD)

# What the peer sees of each policy's close, and what a lost packet leaves.
peer-view:
	@tests/need peer-view
	@$(MAKE) --no-print-directory -s $(CPUS) tests
	@tests/peer-view $(BUILD) $(if $(MARKDOWN),--markdown)

# The packets of seven ways to close; make techniques PCAP=DIR keeps the captures.
techniques:
	@tests/need techniques
	@$(MAKE) --no-print-directory -s all examples $(LAB)
	@examples/techniques $(if $(PCAP),--pcap '$(PCAP)') $(BUILD)

check:
	@tests/need check
	@$(MAKE) --no-print-directory -s $(CPUS) tests
	@tests/run $(BUILD)

# Under the sanitizers and valgrind; a short part of it is in `make check`.
check-sanitize:
	@tests/need check
	@$(MAKE) --no-print-directory -s $(CPUS) tests
	@tests/run $(BUILD) $(filter-out %/sanitize.bats,$(wildcard tests/sanitize/*.bats))

# Peers whose TCP is lwIP's, gVisor's and libslirp's, and NAT in between (two minutes). STACKS=small:
# one situation on each.
check-stacks: stacks
	@if [ "$$STACKS" = small ]; then \
	    tests/run $(BUILD) -f '^fact 14: behind' $(patsubst %,tests/stacks/stack-%.bats,lwip netstack slirp4k); \
	else JOBS=3 tests/run $(BUILD) $(wildcard tests/stacks/*.bats); fi

STACK_PEERS = $(patsubst %,$(BUILD)/tests/stacks/%,lwip netstack)
stacks:
	@tests/need check-stacks
	@$(MAKE) --no-print-directory -s $(CPUS) tests $(STACK_PEERS)

$(BUILD)/tests/stacks/lwip: tests/stacks/lwip.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(filter-out -MMD -MP,$(COMMON)) -isystem /usr/include/lwip -pthread -o $@ $< -llwip

$(BUILD)/tests/stacks/netstack: tests/stacks/netstack.go
	@mkdir -p $(@D)
	GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$(abspath $(BUILD))/go-cache go build -o $@ $<

# Debian's kernels 6.1 and 6.12 in guests (five to ten minutes); KERNELS=all: 5.10 and 7.3, too;
# KERNELS=small: the facts and what each way of acting leaves, without bats (under a minute).
check-kernels:
	@tests/need check-kernels
	@$(MAKE) --no-print-directory -s $(CPUS) tests
	@tests/kernels/check $(BUILD)

# The tables of tests/RESULTS.md and README.md, after all that they stand on was run (half an hour).
results:
	@tests/update-results --run '$(abspath $(BUILD))'

# For 64-bit and 32-bit ARM, S/390 and 32-bit PCs: builds, and runs what QEMU can emulate (two minutes).
# ARCHES=system: guests with Debian's arm64 and s390x kernels, too; ARCHES=arm64: that machine alone.
check-arches:
	@tests/need check-arches
	@$(MAKE) --no-print-directory -s all $(BUILD)/tests/act
	@tests/arches/fetch $(BUILD)
	@case "$$ARCHES" in *system*) tests/arches/fetch-system $(BUILD) ;; esac
	@tests/run --command tests/arches/check $(BUILD)

# Real programs against real servers, without and with the library; at the end, a table.
# PROGRAMS_ALL=1: with those whose packages are large (Go).
check-programs:
	@tests/need check-programs
	@$(MAKE) --no-print-directory -s $(CPUS) tests
	@tests/programs/check $(BUILD)

# What it costs and wins (half an hour; BENCH=quick: moments, to see that it works).
bench:
	@tests/need bench
	@$(MAKE) --no-print-directory -s all $(EXAMPLE) $(BENCHES) $(BUILD)/tests/bench/client-go
	@tests/bench/bench $(BUILD) $(SECTIONS)

# A million connections through 1,000 ports; SOAK=N: so many.
SOAK ?= 1000000
soak:
	@tests/need bench
	@$(MAKE) --no-print-directory -s all $(EXAMPLE) $(BENCHES)
	@tests/bench/soak $(BUILD) $(SOAK)

# What `make bench` measured, drawn into examples/figures.
plot:
	@tests/need plot
	@mkdir -p $(BUILD)
	@tests/bench/plot $(BUILD)

lint:
	@tests/need lint
	@tests/lint

# The launcher that is installed knows LIBDIR.
install: install-lib
	@$(MAKE) --no-print-directory -s all
	@mkdir -p "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(MANDIR)/man1" "$(DESTDIR)$(MANDIR)/man7"
	$(CC) $(CFLAGS) $(CPPFLAGS) $(filter-out -MMD -MP,$(START)) $(LDFLAGS) \
	    -o "$(DESTDIR)$(BINDIR)/notimewait" shim/launcher/library.c $(ANYWHERE) -lm
	install -m 644 shim/man/notimewait.1 "$(DESTDIR)$(MANDIR)/man1/"
	install -m 644 shim/man/libnotimewait.7 "$(DESTDIR)$(MANDIR)/man7/"
	install -D -m 644 shim/completion/notimewait.bash "$(DESTDIR)$(BASHDIR)/notimewait"
	install -D -m 644 shim/completion/_notimewait "$(DESTDIR)$(ZSHDIR)/_notimewait"
	@for file in $(DOCUMENTS); do \
	    mode=644 && [ ! -x "$$file" ] || mode=755; \
	    install -D -m $$mode "$$file" "$(DESTDIR)$(DOCDIR)/$$file" || exit; done

# The library alone, for another architecture beside the first.
install-lib:
	@tests/need build
	@$(MAKE) --no-print-directory -s $(LIB)
	install -D -m 755 $(LIB) "$(DESTDIR)$(LIBDIR)/libnotimewait.so"

# A Debian package of what was built: build/notimewait_VERSION-1_ARCH.deb.
MULTIARCH = $(shell $(CC) -print-multiarch)
DEB     = $(abspath $(BUILD))/deb
deb:
	@tests/need deb
	@rm -rf '$(DEB)'
	@umask 022 && $(MAKE) --no-print-directory -s install DESTDIR='$(DEB)/root' PREFIX=/usr \
	    LIBDIR=/usr/lib/$(MULTIARCH)
	@examples/packaging/deb '$(BUILD)' '$(VERSION)'

# The tests of packages, with lintian and rpmlint.
check-packages:
	@tests/need check-packages
	@$(MAKE) --no-print-directory -s $(CPUS) tests
	@PACKAGES=1 tests/run $(BUILD) tests/build/packages.bats

# For packagers: does what is installed below DESTDIR work? Neither root nor a network is needed.
check-installed:
	@tests/need check-installed
	@$(MAKE) --no-print-directory -s $(TOOLS) $(UNIT) $(EXAMPLE)
	@tests/installed $(BUILD) "$(DESTDIR)$(BINDIR)/notimewait" \
	    "$(DESTDIR)$(LIBDIR)/libnotimewait.so" $(VERSION)

uninstall:
	rm -f "$(DESTDIR)$(LIBDIR)/libnotimewait.so" "$(DESTDIR)$(BINDIR)/notimewait" \
	    "$(DESTDIR)$(MANDIR)/man1/notimewait.1" "$(DESTDIR)$(MANDIR)/man7/libnotimewait.7" \
	    "$(DESTDIR)$(BASHDIR)/notimewait" "$(DESTDIR)$(ZSHDIR)/_notimewait"
	rm -rf "$(DESTDIR)$(DOCDIR)"

clean:
	rm -rf $(BUILD)

.PHONY: force help all lib32 examples tests demo peer-view techniques check check-programs \
        check-stacks stacks check-kernels results check-arches check-sanitize check-packages \
        check-installed fuzz bench soak plot lint install install-lib deb uninstall clean

# A goal by its absolute path is the one of that spelling.
ABSOLUTE = $(filter $(CURDIR)/%,$(MAKECMDGOALS))
ifneq ($(ABSOLUTE),)
.PHONY: $(ABSOLUTE)
$(ABSOLUTE): $(CURDIR)/%: %
endif

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d $(BUILD)/*/*/*/*.d)
