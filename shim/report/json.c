#include "report/json.h"

void json_key(struct text *text, const char *name)
{
    char before = text->len > 0 ? text->buf[text->len - 1] : '{';
    text_str(text, before == '{' || before == '[' ? "" : ",");
    text_json(text, name);
    text_char(text, ':');
}

void json_string(struct text *text, const char *name, const char *value)
{
    json_key(text, name);
    text_json(text, value);
}

void json_number(struct text *text, const char *name, uint64_t value)
{
    json_key(text, name);
    text_number(text, value, 1);
}

void json_boolean(struct text *text, const char *name, bool value)
{
    json_key(text, name);
    text_str(text, value ? "true" : "false");
}

void json_us(struct text *text, const char *name, int64_t ns)
{
    json_key(text, name);
    if (ns < 0) {
        text_str(text, "null");
        return;
    }
    text_number(text, (uint64_t)ns / 1000, 1);
    text_char(text, '.');
    text_number(text, (uint64_t)ns / 100 % 10, 1);
}

void json_address(struct text *text, const char *name, const union address *addr)
{
    bool known = addr->any.sa_family != AF_UNSPEC;
    json_key(text, name);
    text_str(text, known ? "\"" : "null");
    if (known)
        address_text(text, addr);
    text_str(text, known ? "\"" : "");
}
