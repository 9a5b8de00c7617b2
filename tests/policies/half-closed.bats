#!/usr/bin/env bats
# nginx as the peer that half-closes first and reads on (lingering_close): what it reads, and
# whether its log has "Connection reset by peer", where we close under each policy.

load ../lib/helper
load ../lib/each-policy

MIB=1048576
policy=off # each_policy sets it

prepare() {
    need nginx python3
    WWW=$BATS_TEST_TMPDIR/www
    ERRORS=$BATS_TEST_TMPDIR/error.log
    NGINX=$(port)
    mkdir "$WWW"
    head -c "$MIB" /dev/zero >"$WWW/mib"
    nginx_conf >"$BATS_TEST_TMPDIR/nginx.conf"
    start nginx nginx -e "$ERRORS" -p "$BATS_TEST_TMPDIR" -c "$BATS_TEST_TMPDIR/nginx.conf"
    until_true 10000 listens
    client_program >"$BATS_TEST_TMPDIR/client.py"
}

# It half-closes after every reply, reads on, and closes at the client's end, not by a timer.
nginx_conf() {
    cat <<-END
	daemon off;
	master_process off;
	user root;
	pid nginx.pid;
	error_log $ERRORS debug;
	events {}
	http {
	    access_log off;
	    client_body_temp_path tmp;
	    proxy_temp_path tmp;
	    fastcgi_temp_path tmp;
	    uwsgi_temp_path tmp;
	    scgi_temp_path tmp;
	    client_max_body_size 16m;
	    lingering_close always;
	    lingering_time 60;
	    lingering_timeout 60;
	    server {
	        listen 127.0.0.1:$NGINX;
	        root $WWW;
	        location / { dav_methods PUT; }
	        location /refused { return 403; }
	    }
	}
	END
}

listens() {
    [[ -n $(ss -Hltn "sport = :$NGINX") ]]
}

# client.py PORT METHOD PATH BODY END: a request with so many bytes; then, with END
#   read          it reads to the end of nginx's output
#   unread        it waits for that, and leaves all unread
#   read-send:N   it reads to the end, and sends N bytes more
# and closes. Prints how many bytes it has read.
client_program() {
    cat <<-'END'
	import select, socket, sys
	port, method, path, body, end = sys.argv[1:]
	s = socket.create_connection(("127.0.0.1", int(port)))
	s.sendall(f"{method} {path} HTTP/1.1\r\nHost: nginx\r\nConnection: close\r\n"
	          f"Content-Length: {body}\r\n\r\n".encode() + bytes(int(body)))
	count = 0
	if end == "unread":
	    poll = select.poll()
	    poll.register(s, select.POLLRDHUP)
	    poll.poll(30000)
	else:
	    while data := s.recv(65536):
	        count += len(data)
	if end.startswith("read-send:"):
	    s.sendall(bytes(int(end[10:])))
	s.close()
	print(count)
	END
}

# request METHOD PATH BODY END: under $policy; returns when nginx has closed, too. $ERRORS is what it
# says of it.
request() {
    rm -f "$LOG"
    : >"$ERRORS"
    NOTIMEWAIT_LOG=$LOG preload "$policy" python3 "$BATS_TEST_TMPDIR/client.py" "$NGINX" "$@" \
        >"$BATS_TEST_TMPDIR/got"
    until_true 20000 grep -q ' close http connection: ' "$ERRORS"
}

# How many bytes the client has read.
got() {
    cat "$BATS_TEST_TMPDIR/got"
}

# nginx_read: "BYTES END": what it read after it had half-closed, and what came then.
nginx_read() {
    awk '/ lingering read: [1-9]/ { sum += $NF }
        / lingering read: 0$/ { end = " EOF" }
        /recv\(\) failed \(104: Connection reset by peer\)/ { end = " ECONNRESET" }
        END { print sum + 0 end }' "$ERRORS"
}

# saw PATTERN: of nginx_read. Where it is no reset, nothing in nginx's log is called one.
saw() {
    local seen
    seen=$(nginx_read)
    echo "nginx: $seen, we: $(logged state action reason)"
    # shellcheck disable=SC2053 # a pattern
    [[ $seen == $1 ]] || return 1
    [[ $1 == *ECONNRESET ]] || [[ $seen == *ECONNRESET ]] || ! grep -F 'reset by peer' "$ERRORS"
}

# The policies that reset a connection whose last operation was the read of the peer's end.
resets() {
    [[ $policy =~ ^(last-read|drain|drain-eof|abort|delay)(:|$) ]]
}

# nginx reads on in vain: ours was the last word, and here comes our end.
to_the_end() {
    request "$@" read
    if resets; then saw '0 ECONNRESET'; else saw '0 EOF'; fi
}

@test "nginx has sent 1 MiB and half-closed; we close, and it sees EOF" {
    downloads() {
        to_the_end GET /mib 0
        [ "$(got)" -gt "$MIB" ]
    }
    each_policy downloads
}

@test "nginx has got 1 MiB, replied and half-closed; we close, and it sees EOF" {
    uploads() {
        rm -f "$WWW/up"
        to_the_end PUT /up "$MIB"
        [ "$(stat -c %s "$WWW/up")" -eq "$MIB" ]
    }
    each_policy uploads
}

@test "nginx has half-closed; we send 1 MiB more and close at once, and it gets all of it" {
    sends_on() {
        request GET /mib 0 "read-send:$MIB"
        [ "$(got)" -gt "$MIB" ]
        case $policy in
        abort | delay:*) saw '* ECONNRESET' ;; # what is unsent is lost
        drain:* | drain-eof:*) saw "$MIB *" ;; # a reset, unless time was over
        *) saw "$MIB EOF" ;;
        esac
    }
    each_policy sends_on
}

@test "nginx has refused our upload and half-closed; fin-rst discards its reply, and it sees EOF" {
    unread() {
        request POST /refused "$MIB" unread
        [ "$(got)" -eq 0 ]
        if [[ $policy == fin-rst ]]; then
            saw '0 EOF'
            [ "$(logged state reason)" = 'CLOSE_WAIT discarded' ]
        else
            saw '0 ECONNRESET' # as every close with unread input, without the library, too
        fi
    }
    ONLY='auto off fin-rst last-read abort' each_policy unread
}
