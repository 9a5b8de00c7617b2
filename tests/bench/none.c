/*
 * none: a library to preload that does nothing, the yardstick for what preloading itself costs.
 */
extern int nothing;
int nothing;
