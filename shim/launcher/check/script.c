#include "launcher/check/script.h"

#include <stdio.h>
#include <string.h>

#define BLANKS         " \t\n"
#define WORD_ENDS      BLANKS ";&|<>()"
#define NAME           "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789"
#define VARIABLES_MAX  32
#define LINES_MAX      1000
#define VALUE_SIZE     256
#define starts(at, of) (strncmp((at), (of), strlen(of)) == 0)

/* Those that were assigned, in order. */
struct variables {
    unsigned count;
    struct variable {
        char name[64], value[VALUE_SIZE]; /* "": not known */
    } all[VARIABLES_MAX];
};

bool script_is_of_shell(const char *interpreter)
{
    static const char *const shells[] = {"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"};
    const char *slash = strrchr(interpreter, '/');
    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
        if (strcmp(slash ? slash + 1 : interpreter, shells[i]) == 0)
            return true;
    return false;
}

/** The last one of that name, or NULL. */
static struct variable *find(struct variables *variables, const char *name, size_t len)
{
    for (unsigned i = variables->count; i-- > 0;) {
        struct variable *one = &variables->all[i];
        if (strlen(one->name) == len && memcmp(one->name, name, len) == 0)
            return one;
    }
    return NULL;
}

/** "$NAME" or "${NAME}" at *at, which is moved behind it; its value, or NULL. */
static const char *variable_at(struct variables *variables, const char **at)
{
    bool braced = (*at)[1] == '{';
    const char *name = *at + (braced ? 2 : 1);
    size_t len = strspn(name, NAME);
    const struct variable *one = find(variables, name, len);
    *at = name + len + braced;
    bool plain = !braced || name[len] == '}';
    return plain && one && one->value[0] ? one->value : NULL;
}

/** The word at `at`, without quotes, its variables replaced; false where it is not known. */
static bool expand(struct variables *variables, const char *at, char *to, size_t size)
{
    char quote = '\0';
    size_t len = 0;
    for (to[0] = '\0'; *at && *at != '\n' && (quote || !strchr(WORD_ENDS, *at));) {
        bool variable = *at == '$' && quote != '\'';
        if (strchr("`\\*?~", *at) || len + 1 >= size)
            return false;
        if ((*at == '"' || *at == '\'') && (!quote || quote == *at)) {
            quote = quote ? '\0' : *at;
            at++;
            continue;
        }
        const char *value = variable ? variable_at(variables, &at) : NULL;
        if (variable && !value)
            return false;
        len += (size_t)snprintf(to + len, size - len, "%.*s", value ? VALUE_SIZE : 1,
                                value ? value : at);
        at += !value;
    }
    return len > 0 && len < size;
}

/** NAME=VALUE, for what comes behind it. */
static void assign(struct variables *variables, const char *at)
{
    size_t len = strspn(at, NAME);
    struct variable *one = find(variables, at, len);
    if (len == 0 || at[len] != '=' || len >= sizeof(one->name) ||
        (!one && variables->count == VARIABLES_MAX))
        return;
    one = one ? one : &variables->all[variables->count++];
    snprintf(one->name, sizeof(one->name), "%.*s", (int)len, at);
    char value[VALUE_SIZE];
    bool known = expand(variables, at + len + 1, value, sizeof(value));
    snprintf(one->value, sizeof(one->value), "%s", known ? value : "");
}

/** Redirections and options are no program. */
static bool is_exec(struct variables *variables, const char *at, char program[PATH_MAX])
{
    at += strspn(at, BLANKS);
    return starts(at, "exec") && strchr(BLANKS, at[4]) &&
           !strchr("-<>0123456789", at[4 + strspn(at + 4, BLANKS)]) &&
           expand(variables, at + 4 + strspn(at + 4, BLANKS), program, PATH_MAX);
}

bool script_find_exec(const char *script, char program[PATH_MAX])
{
    static struct variables variables;
    char line[1024];
    bool found = false;
    FILE *file = fopen(script, "re");
    variables.count = 0;
    for (int i = 0; file && !found && i < LINES_MAX && fgets(line, sizeof(line), file); i++) {
        const char *at = line + strspn(line, BLANKS);
        assign(&variables, starts(at, "export ") ? at + 7 : at);
        found = is_exec(&variables, at, program);
    }
    if (file)
        fclose(file);
    return found;
}
