# client.rb HOST PORT COUNT: connects, asks, prints the reply, closes.
require 'socket'

host, port, count = ARGV
count.to_i.times do
  TCPSocket.open(host, port.to_i) do |connection|
    connection.write("hello?\n")
    print connection.readpartial(100)
  end
end
