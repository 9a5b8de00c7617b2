/*
 * say: one thing that check has to say: a line for a person, or a member of a JSON object.
 *
 * Owns: that neither is there without the other. Whoever adds a line names its member.
 */
#ifndef SAY_H
#define SAY_H

#include <stdbool.h>

struct say {
    bool json;
    bool comma; /* a member stands before, in the same object or array */
};

/** Begins the object, where it is JSON. */
struct say say_begin(bool json);
void say_end(struct say *to);

/** A line "label  text" (`label` "" goes on with the line above); in JSON "name":"text". */
void say(struct say *to, const char *label, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** The same with another value: `json`, as JSON has it. */
void say_as(struct say *to, const char *label, const char *name, const char *json,
            const char *format, ...) __attribute__((format(printf, 5, 6)));

/** A member that no line of its own has: it is part of another one, or nothing to tell. */
void say_member(struct say *to, const char *name, const char *json);

/** As say_member(): a string, or null where it is NULL. */
void say_string(struct say *to, const char *name, const char *value);

/** An array ('[') or object ('{') within; `name` NULL: in an array. No line. */
void say_open(struct say *to, const char *name, char bracket);
void say_close(struct say *to, char bracket);

/** A string as JSON has it; valid until eight more are made. */
const char *say_quoted(const char *value);
const char *say_bool(bool value);
const char *say_number(long long number);

#endif
