# Draws the packets of one connection as a ladder, between the states of its two ends.
#
# Reads lines "KIND TIME ...", where TIME is in seconds, of these kinds:
#   near, far   as `packets` prints them: the packet at the client's and at the server's device
#   state       client|server STATE, as `capture` prints them
#   call        CLIENT'S-PORT CALL RESULT, as `legacy-server --trace` prints them
# Without `far` lines both ends are on one host: then there is one time, in us.
#
# A packet's row has its time at both ends. A state stands in the row of the packet that it
# came with: the kernel was asked for it only after that. An x marks packets
# that cross, but for bare ACKs.

BEGIN {
    ARROW = 36 # columns
    CALLS = 23
    ROW = "%11s %6s %s %-6s %-11s %s"
}

$1 == "near" || $1 == "far" {
    i = ++seen[$1, $4]
    at[$1, $4, i] = $2
    if ($1 == "far")
        two_hosts = 1
    else {
        row = ++rows
        if (row == 1)
            start = $2
        direction[row] = $4
        index_of[row] = i
        flags[row] = $5
        label[row] = $5 " seq " $6 ($7 == "-" ? "" : " ack " $7) ($8 ? " len " $8 : "")
    }
}
$1 == "state" { state_time[++states] = $2; state_side[states] = $3; state[states] = $4 }
$1 == "call" { call_time[++calls] = $2; call[calls] = $4; result[calls] = $5 }

# A row's time at a side, since the first packet: in ms.
function when(row, side,    where) {
    where = side == "client" || !two_hosts ? "near" : "far"
    return (at[where, direction[row], index_of[row]] - start) * 1000
}

function sender(row) { return direction[row] == ">" ? "client" : "server" }

function arrives(row, side) { return sender(row) != side }

# Whether the packet can have led its sender or receiver into the state.
function leads_to(row, side, state) {
    if (state ~ /^(SYN_SENT|FIN_WAIT1|LAST_ACK)$/)
        return !arrives(row, side) && flags[row] ~ /SYN|FIN/
    if (state == "gone")
        return flags[row] ~ /RST|ACK/
    if (state ~ /^(CLOSE_WAIT|CLOSING)$/)
        return arrives(row, side) && flags[row] ~ /FIN/
    return arrives(row, side) && (state != "ESTABLISHED" || flags[row] ~ /ACK/)
}

# Of two resets that came at once the first has ended the socket.
function later(row, best, side, state) {
    if (state == "gone" && flags[best] ~ /RST/ && when(row, side) - when(best, side) < 0.3)
        return 0
    return best == 1 || when(row, side) >= when(best, side)
}

# The row that a state belongs to: the last that led to it, but ESTABLISHED comes with the first.
function row_of_state(n,    row, best, side) {
    side = state_side[n]
    best = 1
    for (row = 1; row <= rows; row++) {
        if (!leads_to(row, side, state[n]))
            continue
        if (state[n] == "ESTABLISHED")
            return row
        if (when(row, side) <= (state_time[n] - start) * 1000 + 0.2 &&
            later(row, best, side, state[n]))
            best = row
    }
    return best
}

# A call comes after what has arrived, or what it sent.
function row_of_call(n,    row, best) {
    best = 1
    for (row = 1; row <= rows; row++)
        if (when(row, "server") <= (call_time[n] - start) * 1000 &&
            (arrives(row, "server") || flags[row] ~ /FIN|PSH/) &&
            when(row, "server") >= when(best, "server"))
            best = row
    return best
}

# Adds it to the row's lines of calls.
function add_call(row, n,    text, line) {
    text = call[n] == "close" ? "close" : result[n]
    if (call[n] == "read" && result[n] == 0)
        text = "0 EOF"
    if (call[n] != "close" && last_call[row] != call[n])
        text = call[n] " " text
    last_call[row] = call[n]
    line = lines_of_calls[row]
    if (line && length(calls_of[row, line] ", " text) <= CALLS)
        calls_of[row, line] = calls_of[row, line] ", " text
    else
        calls_of[row, lines_of_calls[row] = line + 1] = text
}

function bare(row) { return label[row] ~ /^ACK [^l]*$/ }

# Whether another packet leaves for here before this one has come, and the other way round.
function crosses(row,    other, here, there) {
    here = sender(row)
    there = here == "client" ? "server" : "client"
    for (other = 1; other <= rows; other++)
        if (two_hosts && direction[other] != direction[row] && !bare(row) && !bare(other) &&
            when(other, there) < when(row, there) && when(row, here) < when(other, here))
            return 1
    return 0
}

function arrow(row,    text) {
    text = (direction[row] == ">" ? "--- " : "<-- ") label[row] " "
    while (length(text) < ARROW)
        text = text "-"
    if (crosses(row))
        text = substr(text, 1, ARROW - 4) "x---"
    if (direction[row] == ">")
        text = substr(text, 1, ARROW - 1) ">"
    return text
}

function blank(    text) {
    return sprintf("%" ARROW "s", text)
}

function print_line(text) {
    sub(/ +$/, "", text)
    print "  " text
}

# On one host it is a matter of microseconds.
function near_time(row) {
    if (two_hosts)
        return sprintf("%.1f", when(row, "client"))
    return sprintf("%.0f", when(row, "client") * 1000)
}

# Prints a row, and below it what else happened at its time.
function print_row(row,    n, client, server) {
    split(states_of[row, "client"], client, " ")
    split(states_of[row, "server"], server, " ")
    print_line(sprintf(ROW, client[1], near_time(row), arrow(row),
        two_hosts ? sprintf("%.1f", when(row, "server")) : "", server[1], calls_of[row, 1]))
    for (n = 2; client[n] != "" || server[n] != "" || n <= lines_of_calls[row]; n++)
        print_line(sprintf(ROW, client[n], "", blank(), "", server[n], calls_of[row, n]))
}

# By the time of departure, then by that at the client.
function sort_rows(    i, j, row) {
    for (i = 1; i <= rows; i++)
        order[i] = i
    for (i = 2; i <= rows; i++) {
        row = order[i]
        for (j = i - 1; j >= 1 && when(order[j], sender(order[j])) > when(row, sender(row)); j--)
            order[j + 1] = order[j]
        order[j + 1] = row
    }
}

END {
    for (n = 1; n <= states; n++) {
        row = row_of_state(n)
        states_of[row, state_side[n]] = states_of[row, state_side[n]] " " state[n]
    }
    for (n = 1; n <= calls; n++)
        add_call(row_of_call(n), n)
    sort_rows()
    print_line(sprintf(ROW, "client", two_hosts ? "ms" : "us", blank(), two_hosts ? "ms" : "", "server",
        calls ? "server's calls" : ""))
    for (n = 1; n <= rows; n++)
        print_row(order[n])
}
