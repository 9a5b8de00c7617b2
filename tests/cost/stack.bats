#!/usr/bin/env bats
# How much stack the calls need that begin and end a connection: a handler may be on a small one.

load ../lib/helper
load ../lib/host
load ../lib/recycling

# Prints the bytes of stack that connect() and what closes took at most, of 30 connections.
stack() {
    compile stack -Wl,-z,now <<-'C' # not those of the loader's, which finds names when first used
	#include "host.h"
	#include <ucontext.h>
	enum { SIZE = 1 << 17 };
	static unsigned char room[SIZE] __attribute__((aligned(64)));
	static ucontext_t before, inside;
	static int fd, way;
	static void connects(void)
	{
	    fd = dial();
	}
	static void closes(void)
	{
	    if (way % 3 == 0)
	        REQUIRE(close(fd) == 0);
	    else if (way % 3 == 1)
	        REQUIRE(dup2(STDIN_FILENO, fd) == fd);
	    else
	        REQUIRE(close_range((unsigned)fd, (unsigned)fd, 0) == 0);
	}
	static int taken(void (*function)(void))
	{
	    int unused = 0;
	    memset(room, 0xa5, SIZE);
	    REQUIRE(getcontext(&inside) == 0);
	    inside.uc_stack.ss_sp = room;
	    inside.uc_stack.ss_size = SIZE;
	    inside.uc_link = &before;
	    makecontext(&inside, function, 0);
	    REQUIRE(swapcontext(&before, &inside) == 0);
	    while (unused < SIZE && room[unused] == 0xa5)
	        unused++;
	    return SIZE - unused;
	}
	int main(void)
	{
	    int most[2] = {0};
	    for (way = 0; way < 30; way++) {
	        int now[] = {taken(connects), taken(closes)};
	        for (int j = 0; j < 2; j++)
	            most[j] = now[j] > most[j] ? now[j] : most[j];
	    }
	    printf("%d %d\n", most[0], most[1]);
	}
	C
}

@test "2 KB of stack without a log, 4 KB with one" {
    not_sanitized
    local policy
    stack
    ports 12 # which are taken over
    for policy in auto fin-rst abort drain last-read; do
        new_port
        serve "$PORT" quiet loop:60 accept readall close end
        run env TEST_PORT="$PORT" NOTIMEWAIT_POLICY=$policy LD_PRELOAD="$LIB" "$BATS_TEST_TMPDIR/stack"
        echo "$policy: $output"
        [[ $status -eq 0 && ${output% *} -le 2048 && ${output#* } -le 2048 ]]
        run beside "$LIB" "$policy" "$BATS_TEST_TMPDIR/stack"
        echo "$policy, with a log: $output"
        [[ $status -eq 0 && ${output% *} -le 2048 && ${output#* } -le 4096 ]]
    done
}
