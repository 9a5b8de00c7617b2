#include "policy/settings.h"

struct settings settings;
