# Counts what became of many connections: one line for each outcome, the most frequent first.
#
# Reads lines "KIND ...", of these kinds:
#   packet TIME PORT DIRECTION FLAGS ...   as `packets` prints them
#   call TIME PORT CALL RESULT             as `legacy-server --trace` prints them
#   client PORT, server PORT               a TIME_WAIT entry there; PORT is the client's
# Prints "COUNT|EXAMPLE'S PORT|CLIENT SENT|SERVER SENT|READS|TIME_WAIT"; the example is the first.

function add(list, word) { return list == "" ? word : list " " word }

$1 == "packet" {
    if (!known[$3]++)
        ports[++count] = $3
    for (i = split("FIN RST", flag, " "); i > 0; i--)
        if ($5 ~ flag[i])
            sent[$3, $4, flag[i]] = 1
}
$1 == "call" && $4 == "read" { reads[$3] = add(reads[$3], $5) }
$1 == "client" || $1 == "server" { left[$2] = add(left[$2], $1) }

function sent_by(port, direction,    text) {
    if ((port, direction, "FIN") in sent)
        text = "FIN"
    if ((port, direction, "RST") in sent)
        text = add(text, "RST")
    return text == "" ? "-" : text
}

END {
    for (i = 1; i <= count; i++) {
        port = ports[i]
        key = sent_by(port, ">") "|" sent_by(port, "<") "|" reads[port] "|" \
            (left[port] == "" ? "none" : left[port])
        if (!times[key]++)
            example[key] = port
    }
    for (key in times)
        print times[key] "|" example[key] "|" key | "sort -t'|' -k1,1nr"
}
