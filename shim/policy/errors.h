/*
 * errors: the names of errnos that connect(2), and other calls of a TCP socket, may return.
 */
#ifndef ERRORS_H
#define ERRORS_H

/** "ECONNREFUSED"; NULL where it has none here. */
const char *errors_name(int error);

#endif
