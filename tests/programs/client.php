<?php
// client.php HOW HOST PORT COUNT: one connection per request, by an extension or by a stream. Under
// FastCGI the words are those of the query, with + between them.
$words = PHP_SAPI === 'cli' ? array_slice($argv, 1) : explode('+', $_SERVER['QUERY_STRING']);
[$how, $host, $port, $count] = $words;

function by_curl(string $host, int $port): string
{
    $curl = curl_init("http://$host:$port/");
    curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
    curl_setopt($curl, CURLOPT_FORBID_REUSE, true);
    $reply = curl_exec($curl);
    curl_close($curl);
    return $reply;
}

// With the server's end, where it closes last.
function by_sockets(string $host, int $port): string
{
    $socket = socket_create(AF_INET, SOCK_STREAM, SOL_TCP);
    socket_connect($socket, $host, $port);
    socket_write($socket, "GET / HTTP/1.1\r\nHost: $host\r\n\r\n");
    $reply = socket_read($socket, 1000);
    socket_close($socket);
    return $reply;
}

function by_stream(string $host, int $port): string
{
    $stream = fsockopen($host, $port);
    fwrite($stream, "GET / HTTP/1.1\r\nHost: $host\r\n\r\n");
    $reply = fread($stream, 1000);
    fclose($stream);
    return $reply;
}

function by_mysqli(string $host, int $port): string
{
    $db = mysqli_connect($host, 'root', '', '', $port);
    $reply = $db->query('SELECT 6 * 7')->fetch_row()[0];
    $db->close();
    return "$reply\n";
}

function by_pgsql(string $host, int $port): string
{
    $db = pg_connect("host=$host port=$port user=nobody dbname=postgres", PGSQL_CONNECT_FORCE_NEW);
    $reply = pg_fetch_row(pg_query($db, 'SELECT 6 * 7'))[0];
    pg_close($db);
    return "$reply\n";
}

function by_ldap(string $host, int $port): string
{
    $ldap = ldap_connect("ldap://$host:$port");
    ldap_set_option($ldap, LDAP_OPT_PROTOCOL_VERSION, 3);
    $reply = ldap_bind($ldap) ? 'bound' : 'refused';
    ldap_unbind($ldap);
    return "$reply\n";
}

function by_memcached(string $host, int $port): string
{
    $cache = new Memcached();
    $cache->addServer($host, $port);
    $cache->set('answer', 42);
    $reply = $cache->get('answer');
    $cache->quit();
    return "$reply\n";
}

for ($i = 0; $i < (int)$count; $i++) {
    echo "by_$how"($host, (int)$port);
}
