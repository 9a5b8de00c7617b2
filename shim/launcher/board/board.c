/*
 * board: makes an empty board, and says its switch's word.
 *
 * Owns: writing to the switch. What a board is: report/board.h.
 */
#include "report/board.h"

#include "launcher/board/switch.h"
#include "launcher/commands.h"
#include "launcher/failure.h"
#include "launcher/line.h"
#include "launcher/options.h"
#include "policy/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

/** Reads the options, of which there are only the common ones; false after a complaint. */
static bool parse_words(int argc, char **argv, int words)
{
    static const struct option names[] = {COMMON_OPTIONS, {NULL, 0, NULL, 0}};
    for (int letter; (letter = options_next(argc, argv, COMMON_LETTERS, names)) != -1;)
        if (letter == '?')
            return false;
    if (argc - optind == words)
        return true;
    complain("%s: needs %s (see notimewait --help)", argv[0],
             words == 1 ? "a directory" : "a directory and a word");
    return false;
}

/** "DIR: why: what errno says" */
static int refuse(const char *directory, const char *why)
{
    if (errno)
        complain("%s: %s: %s", directory, why, strerror(errno));
    else
        complain("%s: %s", directory, why);
    return EXIT_FAILED;
}

static bool has_board(const char *directory)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/counters", directory);
    return access(path, F_OK) == 0;
}

int board_main(int argc, char **argv)
{
    struct board_view view;
    if (!parse_words(argc, argv, 1))
        return EXIT_USAGE;
    const char *directory = argv[optind];
    if (has_board(directory)) {
        errno = EEXIST;
        return refuse(directory, "there is a board already");
    }
    const char *why = board_make(directory);
    why = why ? why : board_open(directory, &view);
    return why ? refuse(directory, why) : EXIT_SUCCESS;
}

/* --- the switch --- */

/** The word as it is written, "" for reset; NULL after a complaint. */
static const char *accepted_word(const char *word)
{
    static struct policies policies;
    struct split split;
    struct refusal refusal;
    char line[1024];
    struct text text = text_in(line, sizeof(line));
    if (strcmp(word, "reset") == 0)
        return "";
    if (strlen(word) <= BOARD_WORD_SIZE &&
        split_parse(word, strlen(word), &policies, &split, &refusal))
        return word;
    split_parse("", 0, &policies, &split, &refusal);
    refusal.accepted(&text);
    complain("switch: '%s' is not accepted; accepted: reset, %s", word, line);
    return NULL;
}

/**
 * Processes read the text that the one word names. So the other one is written first: whoever
 * ends this in between leaves the old word. Only one tool at a time may do this.
 */
static const char *write_word(int fd, const char *text)
{
    if (flock(fd, LOCK_EX) != 0)
        return "its switch cannot be locked";
    struct board_switch *word =
        mmap(NULL, sizeof(*word), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (word == MAP_FAILED)
        return "its switch cannot be mapped";
    uint32_t now = atomic_load(&word->word);
    struct board_word *other = &word->words[1 - now % 2];
    other->len = (uint32_t)strlen(text);
    memcpy(other->text, text, strlen(text));
    uint32_t generation = (now >> 1) + 1;
    atomic_store(&word->word, (generation << 1 ? generation << 1 : 2) | (1 - now % 2));
    munmap(word, sizeof(*word));
    return NULL;
}

int switch_main(int argc, char **argv)
{
    if (!parse_words(argc, argv, 2))
        return EXIT_USAGE;
    const char *directory = argv[optind];
    const char *text = accepted_word(argv[optind + 1]);
    if (!text)
        return EXIT_USAGE;
    int fd;
    const char *why = switch_open(directory, O_RDWR, &fd);
    why = why ? why : write_word(fd, text);
    if (why)
        refuse(directory, why);
    if (fd >= 0)
        close(fd);
    return why ? EXIT_FAILED : EXIT_SUCCESS;
}
