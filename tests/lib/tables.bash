# shellcheck shell=bash
# The tables of tests/update-results that put kernels, machines or stacks into columns: made from
# kernels.expected and stacks.expected, which the tests demand, and from what the last run of `make
# results` has measured: kernels.measured, ipvs.measured, machines.measured and connects.measured. In
# tests/.

# shellcheck source=tests/lib/kernels.bash
. lib/kernels.bash

# Functions for awk: a table's heading; what kernels do otherwise, of those in `known`.
# shellcheck disable=SC2016 # awk's
TABLE_WORDS=$KERNEL_WORDS'
    function heading(first, names, count, line, rule, i) {
        line = "| " first "|"; rule = "|---|"
        for (i = 1; i <= count; i++) { line = line " " names[i] " |"; rule = rule "---|" }
        print line; print rule
    }
    function no(list, test, reason, some, count, i) {
        count = split(known, some, " ")
        for (i = 1; i <= count; i++) if (names_it(some[i], list)) otherwise[some[i], test] = reason
    }
    # Of a test that is named by its first words, up to its colon, or of all that ran of a file.
    function on_kernel(name, test, cell) {
        cell = test == "-" ? "-" : measured[name, test]
        if (cell != "yes") return cell ? cell : "-"
        return (name, test) in otherwise ? "no: " otherwise[name, test] : "yes"
    }
    function measure(name, file, test) {
        if (measured[name, file] != "FAILED") measured[name, file] = test == "FAILED" ? "FAILED" : "yes"
        sub(/:.*/, "", test)
        if (file ~ /^(probe|facts|ipvs)$/) measured[name, test] = "yes"
    }
    function ms(us) {
        us /= 1000
        return sprintf(us < 0.1 ? "%.2f" : us < 10 ? "%.1f" : "%.0f", us)
    }
    /^#/ { next }
    FILENAME ~ /kernels.measured$/ { measure($1, $2, $3); next }
    FILENAME ~ /kernels.expected$/ { no($1, $2, $3); next }'

# The kernels' names, oldest first.
kernel_names() {
    awk '!/^#/ { print $1 }' kernels/kernels.def | sort -V | paste -sd ' '
}

# A row for each test of a kernel, a column for each kernel.
kernels() {
    sed -n 's/^@test "\(.*\)" {/\1/p' kernels/{probe,facts,ipvs}.bats |
        awk -F ' [|] ' -v known="$(kernel_names)" "$TABLE_WORDS"'
            BEGIN { count = split(known, all, " "); heading("", all, count) }
            { test = $0; sub(/:.*/, "", test)
              line = "| " $0 " |"
              for (i = 1; i <= count; i++) line = line " " on_kernel(all[i], test) " |"
              print line }' kernels/kernels.measured kernels/kernels.expected -
}

# What a peer's calls return, for README: of some situations and policies; the rest is in RESULTS.md.
view() {
    awk -F ' [|] ' -v situations='read queued late_accept shutdown late half' \
        -v policies='auto fin-rst last-read' '
        /^# / { title = substr($0, 3); next }
        /^\[/ { name = substr($1, 2, length($1) - 2); titles[name] = titles[name] ? titles[name] : title; next }
        NF == 5 {
            count = split($1, some, " ")
            gsub(/ SIGPIPE/, "", $2)
            for (i = 1; i <= count; i++) if (!((name, some[i]) in calls)) calls[name, some[i]] = $2
        }
        END {
            columns = split(policies, policy, " ")
            line = "| the peer |"; rule = "|---|"
            for (i = 1; i <= columns; i++) { line = line " `" policy[i] "` |"; rule = rule "---|" }
            print line; print rule
            count = split(situations, wanted, " ")
            for (s = 1; s <= count; s++) {
                line = "| " titles[wanted[s]] " |"
                for (i = 1; i <= columns; i++) line = line " " calls[wanted[s], policy[i]] " |"
                print line
            }
        }' peers/peer-view.expected
}

# A row for each test of tests/arches/check, a column for each machine; the guests' facts are one row.
machines() {
    awk "$TABLE_WORDS"'
        { result = $1 == "ok" ? "yes" : "FAILED"
          sub(/^[^ ]+ +/, "")
          where = $0; sub(/: .*/, "", where)
          test = substr($0, length(where) + 3)
          machine = where; sub(/,.*/, "", machine)
          if (where ~ /Linux/) test = "guest: " (test ~ /^fact [0-9]/ ? "the facts but 6 and 15b, as above" : test)
          if (!(machine in has)) { has[machine] = 1; names[++columns] = machine }
          if (!(test in listed)) { listed[test] = 1; rows[++count] = test }
          if (cell[test, machine] != "FAILED") cell[test, machine] = result }
        END {
            heading("", names, columns)
            for (r = 1; r <= count; r++) {
                line = "| " rows[r] " |"
                for (i = 1; i <= columns; i++)
                    line = line " " ((rows[r], names[i]) in cell ? cell[rows[r], names[i]] : "-") " |"
                print line
            }
        }' arches/machines.measured
}

# connect() through few ports, a column for each stack: failures; the times in ms.
connects() {
    awk -F ' [|] ' "$TABLE_WORDS"'
        # The last of each is that which counts: before it the ports were fresh.
        { split($4, n, " ")
          cell[$1, $2, $3] = n[2] " of " n[1] (n[2] > 0 ? " (" n[3] ")" : "") "; " ms(n[4]) ", " ms(n[6]) }
        function rows(file, title, arms, when, arm, count, line, i, k) {
            count = split(arms, arm, " ")
            for (i = 1; i <= count; i++) {
                line = "| " (i == 1 ? title : "") " | `" arm[i] "` |"
                for (k = 2; k <= 5; k++) line = line " " cell[file, names[k], arm[i] when] " |"
                print line
            }
        }
        END {
            split("policy lwIP gVisor libslirp Linux", names, " ")
            heading("", names, 5)
            rows("stack-recycling", "100 ports; the peer closes when we have", "off auto fin-rst")
            rows("stack-closes-first", "10 ports; the peer has closed first", "off auto fin-rst last-read")
            rows("stack-closes-first", "the same, at once", "off auto fin-rst last-read", ", at once")
            rows("stack-last-ack", "10 ports; the peer is in LAST_ACK", "off auto fin-rst reap")
        }' stacks/connects.measured
}

# IPVS in between, a column for each kernel: failures; connect()'s times in ms.
ipvs() {
    awk -F ' [|] ' -v known="$(kernel_names)" "$TABLE_WORDS"'
        { split($4, n, " "); cell[$2, $3] = n[2] " of " n[1] "; " ms(n[4]) ", " ms(n[6]) }
        END {
            count = split(known, all, " ")
            heading("", all, count)
            split("off auto", arm, " ")
            for (i = 1; i <= 2; i++) {
                line = "| `" arm[i] "`" (i == 1 ? ", fresh ports |" : " |")
                for (k = 1; k <= count; k++)
                    line = line " " ((all[k], arm[i]) in cell ? cell[all[k], arm[i]] : "-") " |"
                print line
            }
        }' kernels/ipvs.measured
}

# A row for each claim. What a stack is asked, of POLICY and, but for equal and connects, of the
# peer-view SITUATION: equal (POLICY stands in a row with off, everywhere), whole (all bytes, and
# EOF), bytes (all bytes, whatever comes then), free (no TIME_WAIT), connects (none fails); more than
# one between "; ".
claims() {
    awk -F ' [|] ' -v known="$(kernel_names)" -v here="$(awk '$3 == "here" { print $1 }' kernels/kernels.def)" \
        "$TABLE_WORDS"'
        function on_machine(name, test) {
            if ((name, test " does not hold") in guest) return "no"
            return (name, test) in guest ? guest[name, test] : "-"
        }
        # A reason stands where it comes first.
        function once(cell) {
            if (cell ~ /^no: / && index(line, cell)) return "no"
            return cell
        }
        # Yes is what was asked, and found nothing against it.
        function on_stack(name, questions, some, count, plain, i) {
            count = split(questions, some, "; ")
            for (i = 1; i <= count; i++) {
                if (!((name, some[i]) in asked)) return "-"
                if (!((name, some[i]) in against)) continue
                plain = some[i] ~ /^connects / && against[name, some[i]] == against[name, "connects off"]
                return "no: " against[name, some[i]] (plain ? ", as under `off`" : "")
            }
            return "yes"
        }
        BEGIN {
            kernels = split(known, all, " ")
            count = split(known " arm64 s390x lwIP gVisor libslirp", columns, " ")
            stack_of["lwip"] = "lwIP"; stack_of["netstack"] = "gVisor"
            stack_of["slirp"] = stack_of["slirp4k"] = "libslirp"
            heading("", columns, count)
        }
        FILENAME ~ /machines.measured$/ {
            if (match($0, /, Linux [^:]*: /))
                guest[substr($0, 8, RSTART - 8), substr($0, RSTART + RLENGTH)] = /^ok/ ? "yes" : "FAILED"
            next
        }
        FILENAME ~ /connects.measured$/ {
            split($4, n, " ")
            name = $2
            if ($1 != "stack-recycling") next
            if (name == "Linux" && $3 == "auto") measured[here, "NAT"] = n[2] > 0 ? "FAILED" : "yes"
            asked[name, "connects " $3]
            if (n[2] > 0) against[name, "connects " $3] = n[2] " of " n[1] " failed"
            next
        }
        /^\[/ { situation = stack = substr($0, 2, length($0) - 2); sub(/_.*/, "", stack); sub(/[^_]*_/, "", situation); next }
        FILENAME ~ /stacks.expected$/ && NF == 3 {
            some = split($1, policy, " ")
            for (i = 1; i <= some && stack in stack_of; i++) {
                name = stack_of[stack]
                asked[name, "equal " policy[i]]
                if (!index(" " $1 " ", " off "))
                    against[name, "equal " policy[i]] = "differs"
                sub(/:.*/, "", policy[i])
                asks = policy[i] " " situation
                asked[name, "bytes " asks]; asked[name, "whole " asks]; asked[name, "free " asks]
                if ($2 !~ /^read [0-9]+, /) against[name, "bytes " asks] = "bytes are lost"
                if ($2 !~ /^read [0-9]+, EOF$/)
                    against[name, "whole " asks] = $2 !~ /^read [0-9]+, / ? "bytes are lost" : \
                        "all bytes, then " substr($2, index($2, ", ") + 2)
                if ($3 != "-") against[name, "free " asks] = $3
            }
        }
        FILENAME ~ /claims.def$/ {
            line = "| " $1 " |"
            for (i = 1; i <= count; i++)
                line = line " " once(i <= kernels ? on_kernel(columns[i], $2) : \
                    i <= kernels + 2 ? on_machine(columns[i], $3) : on_stack(columns[i], $4)) " |"
            print line
        }' kernels/kernels.measured kernels/kernels.expected arches/machines.measured \
        stacks/connects.measured stacks/stacks.expected claims.def
}
