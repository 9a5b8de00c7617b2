# libnotimewait: `make` builds the library, `make demo` shows it, `make check` tests it.

ifeq ($(origin CC),default)
CC       = gcc
endif
CFLAGS  ?= -O2 -g
BUILD   ?= build
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
DOCDIR  ?= $(PREFIX)/share/doc/libnotimewait

WARN    = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
ifneq (,$(findstring musl,$(CC)))
WARN   += -Wno-sign-conversion # in musl's own macros
endif
COMMON  = -std=gnu11 -D_GNU_SOURCE $(WARN) -MMD -MP
# Without fortification: the library defines some of the functions that it would redirect.
SHIM    = $(COMMON) -U_FORTIFY_SOURCE -fPIC -fvisibility=hidden -fno-plt -Ishim
LINK    = -shared -Wl,-soname,libnotimewait.so -Wl,-z,relro,-z,now,-z,noexecstack,-z,defs \
          -Wl,-Bsymbolic-functions -Wl,-z,nodelete -Wl,-z,initfirst -Wl,--as-needed -ldl

LIB     = $(BUILD)/libnotimewait.so
OBJ     = $(patsubst shim/%.c,$(BUILD)/shim/%.o,$(wildcard shim/*.c))
# What the library shares with programs that are not preloaded: no globals, no system calls.
PURE    = $(BUILD)/shim/policy.o $(BUILD)/shim/config.o $(BUILD)/shim/text.o
TOOLS   = $(patsubst tests/tools/%.c,$(BUILD)/tests/%,$(wildcard tests/tools/*.c))
UNIT    = $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/*.c))
EXAMPLE = $(BUILD)/examples/legacy-client $(BUILD)/examples/legacy-server

all: $(LIB)
examples: $(EXAMPLE)
tests: $(LIB) $(EXAMPLE) $(TOOLS) $(UNIT)

# Rewritten when the compiler or its flags are others than last time: everything depends on it.
$(BUILD)/flags: force
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS)' | cmp -s - $@ || \
	    echo '$(CC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS)' >$@

$(LIB): $(OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ) $(LINK)

$(BUILD)/shim/%.o: shim/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CPPFLAGS) $(SHIM) -c -o $@ $<

$(BUILD)/examples/%: examples/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(COMMON) -o $@ $< $(LDFLAGS)

$(BUILD)/tests/%: tests/tools/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(COMMON) -pthread -o $@ $< $(LDFLAGS)

$(BUILD)/tests/%: tests/unit/%.c $(PURE) $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(COMMON) -Ishim -o $@ $< $(PURE) $(LDFLAGS)

# For 32-bit programs on a 64-bit machine: build/lib32/libnotimewait.so
lib32:
	@tests/need lib32
	@$(MAKE) --no-print-directory CC="$(CC) -m32" BUILD=$(BUILD)/lib32 all

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
	@$(MAKE) --no-print-directory -s all examples
	@examples/demo $(BUILD)

check:
	@tests/need check
	@$(MAKE) --no-print-directory -s tests
	@tests/run $(BUILD)

lint:
	@tests/need lint
	@tests/lint

install:
	@tests/need build
	@$(MAKE) --no-print-directory -s all
	install -D -m 755 $(LIB) $(DESTDIR)$(LIBDIR)/libnotimewait.so
	install -D -m 644 README.md $(DESTDIR)$(DOCDIR)/README.md
	install -D -m 644 LICENSE $(DESTDIR)$(DOCDIR)/LICENSE

uninstall:
	rm -f $(DESTDIR)$(LIBDIR)/libnotimewait.so
	rm -rf $(DESTDIR)$(DOCDIR)

clean:
	rm -rf $(BUILD)

.PHONY: force all lib32 examples tests demo check fuzz lint install uninstall clean
-include $(wildcard $(BUILD)/*/*.d)
