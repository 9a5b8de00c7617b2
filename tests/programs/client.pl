# client.pl HOST PORT COUNT: connects, asks, prints the reply, closes.
use strict;
use warnings;
use IO::Socket::INET;

my ($host, $port, $count) = @ARGV;
for (1 .. $count) {
    my $connection = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port) or die "$@\n";
    syswrite($connection, "hello?\n") or die "$!\n";
    sysread($connection, my $reply, 100) // die "$!\n";
    print $reply;
    close($connection) or die "$!\n";
}
